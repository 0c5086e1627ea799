public import Store

// Something's time has come, or has passed: does it fire, and when is it due again? Pure: the clock's time comes in, a decision
// comes out. Clocks jump, machines sleep and agents are stopped, so the time that comes in may be any.

/// What becomes of a due time.
public struct DueTime: Sendable, Equatable {
    /// The time that fires, in Unix seconds; nil: what has passed stays unused.
    public var fires: Double?
    /// When it is due again; nil: never.
    public var next: Double?

    /// How late something may be, in seconds, without having been missed: an agent that restarts, or a machine that is busy, does
    /// not lose what is due meanwhile.
    public static let tolerance: Double = 60

    /// Decides about something whose next time, as it was computed before, is not later than now.
    ///
    /// Of all times that have passed at most one fires: the one that is no later than ``tolerance``, if there is one; else, by the
    /// policy, one for all that were missed. What runs once always fires.
    ///
    /// - Parameters:
    ///   - due: Unix seconds, at most `now`.
    ///   - now: what the clock says.
    public init(_ schedule: Schedule, due: Double, now: Double, catchUp: TaskRecord.CatchUp) {
        guard !schedule.isOnce else {
            fires = due
            next = nil
            return
        }
        next = schedule.next(after: now, countingFrom: due)
        let oldest = now - Self.tolerance
        if due >= oldest {
            fires = due
        } else if let recent = schedule.next(after: oldest, countingFrom: due), recent <= now {
            fires = recent
        } else {
            fires = catchUp == .once ? due : nil
        }
    }

    /// An earlier time than the one that was computed before: the clock was put back since.
    ///
    /// - Returns: nil when the time stays.
    public static func earlier(_ schedule: Schedule, than due: Double, now: Double) -> Double? {
        guard !schedule.isOnce, let next = schedule.next(after: now), next < due else { return nil }
        return next
    }
}

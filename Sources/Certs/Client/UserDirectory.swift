// Where does openagent keep what belongs to a person and not to an agent? One folder per user of the machine, chosen by
// the environment in one place, so that every command finds what every other one left there.

/// The folder of a user: `user/` with the device's key and networks, `running/` with the agents served here, `logs/`.
public enum UserDirectory {
    /// `$OPENAGENT_HOME`, else `$XDG_CONFIG_HOME/openagent`, else `~/.openagent`. Nothing is made on the disk.
    ///
    /// - Throws: ``ClientHomeError/noHome`` when the environment names none of them.
    public static func path(environment: [String: String]) throws(ClientHomeError) -> String {
        if let path = environment["OPENAGENT_HOME"], !path.isEmpty { return path }
        // The XDG specification: a relative path is to be ignored.
        if let base = environment["XDG_CONFIG_HOME"], base.hasPrefix("/") { return base + "/openagent" }
        if let home = environment["HOME"], !home.isEmpty { return home + "/.openagent" }
        throw .noHome
    }
}

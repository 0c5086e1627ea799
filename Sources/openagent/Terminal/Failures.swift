internal import ArgumentParser
internal import Certs
internal import Foundation
internal import Gateway
internal import LoopbackProxy
internal import Store
internal import Transport
internal import Wire

// Which exit code and which words belong to an error? Every error that can reach the command line is sorted here, so that
// scripts can rely on the codes and people always read what to do next.

enum Failures {
    /// Prints the failure, unless it is one of the argument parser's own, and gives the error to exit with.
    static func exit(for error: any Error) -> any Error {
        switch error {
        case is ExitCode, is CleanExit, is ValidationError: return error
        case let error as CommandError: return error.printed()
        default: break
        }
        guard let failure = CommandError(sorting: error) else { return error }
        return failure.printed()
    }
}

extension CommandError {
    /// Nil for an error of the argument parser.
    init?(sorting error: any Error) {
        switch error {
        case let error as TicketError:
            self.init(.usage, "\(error)", hint: Self.hint(for: error))
        case let error as PasswordError: self.init(.usage, "\(error)")
        case let error as ConfigurationError: self.init(.usage, "\(error)")
        case let error as SettingError:
            self.init(.usage, "\(error)", hint: "correct it, or do without it: unset \(error.variable)")
        case let error as ConnectError:
            self.init(.unreachable, "\(error)", hint: "check that the agent runs: openagent status, on its machine")
        case let error as AgentUnreachable: self.init(.unreachable, error.reason, hint: error.hint)
        case let error as ChatError:
            switch error {
            case .unreachable, .notConnected, .tooManyWaiting: self.init(.unreachable, "\(error)")
            case .notAuthorized(let status, let text):
                self.init(refusal: AdministrationReply(status: status, body: Array(text.utf8)), hint: nil)
            case .revoked:
                self.init(refusal: AdministrationReply(status: 401, body: Array("device revoked".utf8)), hint: nil)
            case .replaced, .refused: self.init(.failed, "\(error)")
            }
        case let error as CoordinatorClientError: self.init(.unreachable, "\(error)")
        case let error as RPCError:
            self.init(error.code == .badRequest ? .usage : .refused, "\(error)", hint: Self.hint(for: error))
        case let error as JoinError: self.init(Self.kind(of: error), "\(error)", hint: error.hint)
        case let error as AgentNameError:
            self.init(
                .usage, "\(error)",
                hint: "name one of them as handle@network/agent; 'openagent networks use' chooses one for good")
        case let error as AgentNetworkError: self.init(.state, "\(error)", hint: error.hint)
        case let error as InstanceError: self.init(.state, "\(error)", hint: error.hint)
        case let error as OfflineAgentError: self.init(.state, "\(error)", hint: "see: openagent status")
        case let error as AgentLocatorError: self.init(locating: error)
        case let error as ProxyError: self.init(.usage, "\(error)")
        case let error as ProxyPlaceError:
            self.init(.usage, "\(error)", hint: "give what 'openagent proxy' printed as its first line")
        case is SecretKeyError, is AgentIdentityError, is DatabaseError, is NetworkStateError, is AgentNodeError,
            is PrivateFileError,
            is ClientHomeError,
            is ProxyTokenError:
            self.init(.failed, "\(error)")
        case let error as GatewayClientError:
            self.init(.unreachable, "\(error)", hint: Self.hint(for: error))
        case let error as FileTransferError:
            switch error {
            case .refused(let status, let body):
                self.init(
                    refusal: AdministrationReply(status: status, body: body),
                    hint: "an id is printed by 'openagent files put' and by answers with files")
            case .unreadable: self.init(.usage, "\(error)")
            case .changed, .stuck, .damaged: self.init(.failed, "\(error)", hint: "give the command again")
            }
        case let error as BackupError: self.init(backup: error)
        case is CancellationError: self.init(.failed, "interrupted")
        default:
            if OpenAgent.exitCode(for: error) != .failure { return nil }
            self.init(.failed, "\(error)")
        }
    }

    private init(backup error: BackupError) {
        switch error {
        case .targetNotEmpty:
            self.init(.usage, "\(error)", hint: "name a folder that is not there yet")
        case .notABackup: self.init(.usage, "\(error)", hint: "name a file that 'openagent backup' has made")
        case .otherKey: self.init(.usage, "\(error)")
        case .busy: self.init(.state, "\(error)", hint: "try again when it has ended")
        case .damaged, .hostile: self.init(.failed, "\(error)", hint: "nothing was restored; take another backup")
        default: self.init(.failed, "\(error)")
        }
    }

    private init(locating error: AgentLocatorError) {
        let text = "\(error)"
        // The library's sentence ends with what to do, after the first colon.
        let parts = text.split(separator: ": ", maxSplits: 1).map(String.init)
        self.init(.state, parts[0], hint: parts.count > 1 ? parts[1] : nil)
    }

    private static func hint(for error: TicketError) -> String {
        switch error {
        case .tooLong, .notATicket, .damaged: "copy the whole ticket, from oa1 to its end"
        case .unsupportedVersion: "compare 'openagent version' here and where the ticket was made"
        case .missingField, .invalidField: "ask whoever made it for another one"
        }
    }

    /// What is wrong with what was typed, no coordinator has refused.
    private static func kind(of error: JoinError) -> Kind {
        switch error {
        case .handleMissing, .handleInvalid, .boundTo, .agentTicket: .usage
        default: .refused
        }
    }

    private static func hint(for error: GatewayClientError) -> String {
        // The agent's own words for it.
        "\(error)".contains("too many connections from this node")
            ? "end other openagent commands of this device; how many may run says limits.connections_per_device"
            : "try again; if it stays so, look at the agent's log"
    }

    private static func hint(for error: RPCError) -> String? {
        switch error.code {
        case .badRequest: "see the command's --help"
        case .conflict: "see: openagent agents list, and openagent users list, at the coordinator"
        case .unauthorized: "check handle and password"
        case .revoked:
            "get a ticket on another device with: openagent devices invite, then here: openagent join oa1… --new-key"
        case .suspended: "an admin can end that with: openagent users resume HANDLE"
        case .rateLimited: "wait, then try again"
        case .invalidInvite:
            "get a new ticket on another device with: openagent devices invite, or ask an admin for one"
        default: nil
        }
    }
}

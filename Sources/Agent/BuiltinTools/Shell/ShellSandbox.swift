internal import Glibc

// Within which walls does a command of a model run? In a container that bubblewrap makes of namespaces: without network, without
// capabilities, without anything of this machine but its programs, read-only; what it may write is the work folder. There is no way
// to run a command without these walls: where they can't be put up, nothing runs.

/// What the shell may.
public struct ShellSettings: Sendable, Equatable {
    /// Nothing runs otherwise.
    public var isEnabled = false
    /// Bytes of memory that one process of a command may have.
    public var memory = 4 << 30

    public init(isEnabled: Bool = false, memory: Int = 4 << 30) {
        self.isEnabled = isEnabled
        self.memory = memory
    }
}

/// The walls around commands.
public struct ShellSandbox: Sendable {
    /// The program that puts them up.
    private let program: String
    /// Absolute.
    private let folder: String
    private let memory: Int

    /// Where the work folder is inside.
    static let inside = "/workspace"
    /// Bytes of `/tmp` and of `/dev/shm`, which are memory.
    private static let temporary = 256 << 20

    /// - Parameters:
    ///   - folder: the work folder, absolute.
    ///   - program: bubblewrap's, searched for in `PATH`.
    public init(folder: String, memory: Int = ShellSettings().memory, program: String = "bwrap") {
        self.folder = folder
        self.memory = memory
        self.program = program
    }

    /// What runs a command inside.
    ///
    /// - Parameters:
    ///   - folder: where it starts, below the work folder; nil: there.
    ///   - environment: variables besides the few that every program needs.
    func words(
        _ command: String, in folder: VaultPath? = nil, environment: [String: String] = [:]
    ) -> [String] {
        words(command, in: folder, environment, bound: self.folder)
    }

    private func words(
        _ command: String, in folder: VaultPath?, _ environment: [String: String], bound: String
    ) -> [String] {
        var words = [
            program, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session",
            "--cap-drop", "ALL", "--clearenv", "--hostname", "sandbox",
        ]
        words += ["--ro-bind", "/usr", "/usr"]
        for name in ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] { words += Self.system(name) }
        // What programs need of the machine's settings: where libraries and versions are, and what time it is.
        for path in ["/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime", "/etc/timezone"] {
            words += ["--ro-bind-try", path, path]
        }
        words += ["--proc", "/proc", "--dev", "/dev"]
        for path in ["/dev/shm", "/tmp"] { words += ["--size", String(Self.temporary), "--tmpfs", path] }
        words += ["--bind", bound, Self.inside, "--remount-ro", "/dev", "--remount-ro", "/"]
        words += ["--chdir", folder.map { "\(Self.inside)/\($0)" } ?? Self.inside]
        let variables = [
            "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": Self.inside, "TMPDIR": "/tmp", "LANG": "C.UTF-8",
            "TERM": "dumb",
        ].merging(environment) { $1 }
        for (name, value) in variables.sorted(by: { $0.key < $1.key }) { words += ["--setenv", name, value] }
        // The bound is the shell's own before the command is read; nothing inside may raise it.
        let shell = access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh"
        let start = #"ulimit -c 0 && ulimit -v "$1" && shift && exec "$@""#
        return words + ["--", "/bin/sh", "-c", start, "sh", String(memory >> 10), shell, "-c", command]
    }

    /// A folder of the system as it is here: a link to another one, or one of its own.
    private static func system(_ path: String) -> [String] {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink(path, &target, target.count - 1)
        if length > 0 {
            return [
                "--symlink", String(decoding: target.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self), path,
            ]
        }
        return ["--ro-bind-try", path, path]
    }

    /// Makes the work folder where it is missing.
    ///
    /// - Throws: ``ToolRefusal``
    func makeFolder() throws(ToolRefusal) {
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw ToolRefusal("the work folder can't be made") }
    }

    /// Whether the walls can be put up here. Nothing is written.
    ///
    /// - Returns: nil when they can; else why not, and what to do.
    public func problem() async -> String? {
        let bound = access(folder, F_OK) == 0 ? folder : "/usr"
        var command = Command(words("true", in: nil, [:], bound: bound), setting: "shell.enabled")
        command.timeLimit = .seconds(20)
        do {
            _ = try await command.output()
            return nil
        } catch CommandError.missing {
            return "bubblewrap is missing: install the package bubblewrap (0.8 or newer)"
        } catch let error as CommandError {
            guard case .failed(_, _, let errors) = error else { return error.description }
            return "bubblewrap can't put up its walls on this machine (version 0.8 or newer, and user namespaces, are "
                + "needed): \(errors.suffix(300))"
        } catch {
            return "bubblewrap could not be tried"
        }
    }
}

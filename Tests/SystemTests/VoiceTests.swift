import Foundation
import Testing

// An agent that hears and speaks with the programs that its openagent.yaml names.

@Suite struct VoiceTests {
    /// "Hears" the checksum of what it is given.
    private static let ear = """
        #!/bin/sh
        [ "$(stat -c %a "$1")" = 600 ] || exit 1
        printf 'heard %s\\n' "$(sha256sum < "$1" | cut -c1-12)"
        """

    /// A WebSocket client: sends the lines of its standard input, prints what comes until `turn_complete`.
    private static let client = """
        import base64, json, os, socket, struct, sys
        host, port = sys.argv[1].removeprefix("http://").split(":")
        link = socket.create_connection((host, int(port)), timeout=20)
        link.sendall(("GET /ws HTTP/1.1\\r\\nHost: %s:%s\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n"
            "Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: %s\\r\\n\\r\\n"
            % (host, port, base64.b64encode(os.urandom(16)).decode())).encode())
        stream = link.makefile("rb")
        assert b"101" in stream.readline()
        while stream.readline().strip(): pass
        for line in sys.stdin:
            data = line.strip().encode()
            link.sendall(struct.pack("!BBH4x", 0x81, 0x80 | 126, len(data)) + data)
        while True:
            first, length = stream.read(2)
            if length == 126: length, = struct.unpack("!H", stream.read(2))
            elif length == 127: length, = struct.unpack("!Q", stream.read(8))
            text = stream.read(length).decode()
            print(text, flush=True)
            if json.loads(text)["type"] in ("turn_complete", "error"): break
        """

    private func world() async throws -> (TestHome, Server) {
        let world = try TestHome()
        try FileManager.default.createDirectory(at: world.agent, withIntermediateDirectories: true)
        let ear = world.root.appendingPathComponent("ear")
        try Self.ear.write(to: ear, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: ear.path)
        try """
        stt:
          command: \(ear.path) {file}
        tts:
          command: espeak-ng --stdin --stdout
        """.write(
            to: world.agent.appendingPathComponent("openagent.yaml"), atomically: true, encoding: .utf8)
        let server = try await world.serve()
        let joined = try await world.join(try await server.ticket())
        #expect(joined.status == 0, "\(joined)")
        return (world, server)
    }

    private func events(_ output: String) throws -> [[String: Any]] {
        try output.split(separator: "\n").map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
    }

    private func checkAudio(_ events: [[String: Any]]) throws {
        let types = events.compactMap { $0["type"] as? String }
        let audible = types.filter { $0.hasPrefix("audio") || $0 == "response" || $0 == "turn_complete" }
        #expect(audible.first == "audio_start" && audible.count { $0 == "audio_chunk" } > 0)
        #expect(audible.suffix(3) == ["audio_end", "response", "turn_complete"])
        let audio = events.filter { $0["type"] as? String == "audio_chunk" }
            .compactMap { ($0["data"] as? String).flatMap { Data(base64Encoded: $0) } }.reduce(Data(), +)
        #expect(audio.starts(with: Data("RIFF".utf8)) && audio.count > 10_000)
    }

    @Test("a typed message is answered with the voice that openagent.yaml names")
    func speaks() async throws {
        let (world, _) = try await world()
        let (_, url) = try await world.startProxy()
        let script = world.root.appendingPathComponent("client.py")
        try Self.client.write(to: script, atomically: true, encoding: .utf8)
        let client = try world.launch("/usr/bin/env", ["python3", script.path, url])
        // The client writes frames of 126 bytes and more.
        let padding = String(repeating: " ", count: 100)
        try client.type(#"{"type":"text_final",\#(padding)"session_id":"v","text":"hello there"}"# + "\n")
        client.closeInput()
        #expect(try await client.exit() == 0, "\(client.errors)")
        try checkAudio(try events(client.output))

        // Who reads the answer does not wait for its voice.
        let read = try await world.run(["chat", "--json", "-m", "hello there"])
        #expect(read.status == 0 && !read.output.contains("audio_"), "\(read)")
    }

    @Test("audio is heard over the WebSocket and over REST, text becomes audio, and no audio is left on the disk")
    func hears() async throws {
        let (world, _) = try await world()
        let (_, url) = try await world.startProxy()
        let audio = Data((0..<1000).map { UInt8(truncatingIfNeeded: $0) })
        let file = world.root.appendingPathComponent("audio")
        try audio.write(to: file)
        let sum = try world.launch("/usr/bin/sha256sum", [file.path])
        try await sum.exit()
        let heard = "heard \(sum.output.prefix(12))"

        let text = try world.launch(
            "/usr/bin/curl",
            [
                "-s", "-X", "POST", "-H", "Content-Type: audio/webm", "--data-binary", "@\(file.path)",
                "\(url)/api/stt/transcribe",
            ])
        #expect(try await text.exit() == 0)
        #expect(text.output == #"{"text":"\#(heard)"}"#)

        let script = world.root.appendingPathComponent("client.py")
        try Self.client.write(to: script, atomically: true, encoding: .utf8)
        let client = try world.launch("/usr/bin/env", ["python3", script.path, url])
        for (number, part) in [(2, audio[300..<600]), (1, audio[..<300]), (2, audio[300..<600]), (3, audio[600...])] {
            let line = [
                #"{"type":"audio_chunk_in","session_id":"v","seq":\#(number),"is_end":\#(number == 3),"#,
                #""message_id":"m1","data":"\#(Data(part).base64EncodedString())"}"#,
            ].joined()
            try client.type(line + "\n")
        }
        client.closeInput()
        #expect(try await client.exit() == 0, "\(client.errors)")
        let answer = try events(client.output)
        let echo = try #require(answer.first { $0["type"] as? String == "text_final" })
        #expect(echo["text"] as? String == heard && echo["source"] as? String == "stt")
        #expect(echo["message_id"] as? String == "m1")
        try checkAudio(answer)

        let wave = world.root.appendingPathComponent("wave")
        let spoken = try world.launch(
            "/usr/bin/curl",
            [
                "-s", "-H", "Content-Type: application/json", "-d", #"{"text":"Hello."}"#, "-o", wave.path,
                "-w", "%{http_code} %{content_type}", "\(url)/api/tts/synthesize",
            ])
        try await spoken.exit()
        #expect(spoken.output == "200 audio/wav")
        #expect(try Data(contentsOf: wave).starts(with: Data("RIFF".utf8)))
        let left = try FileManager.default.contentsOfDirectory(
            atPath: world.agent.appendingPathComponent(".openagent/voice").path)
        #expect(left.isEmpty)
    }
}

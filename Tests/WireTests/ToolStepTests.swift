import Testing

@testable import Wire

// What a status says of a tool, and what is words.

@Suite struct ToolStepTests {
    @Test func aCallRunsAndIsDoneOrFails() throws {
        let running = try #require(
            ToolStep(
                status: #"{"tool_name":"vault_read","tool_call_id":"7","tool_args":{"file_path":"a","lines":[1]}}"#))
        #expect(running.tool == "vault_read" && running.call == "7" && running.phase == .running)
        #expect(running.arguments == ["file_path": "a", "lines": [1]])
        let done = try #require(ToolStep(status: #"{"tool_name":"vault_read","tool_args":{},"result":"text"}"#))
        #expect(done.phase == .done(result: "text") && done.call == nil && done.arguments.isEmpty)
        let failed = try #require(
            ToolStep(status: #"{"tool_name":"vault_read","result":"no such note","tool_call_error":true}"#))
        #expect(failed.phase == .failed(reason: "no such note"))
        #expect(ToolStep(status: #"{"tool_name":"x","tool_call_error":true}"#)?.phase == .failed(reason: ""))
        #expect(ToolStep(status: #"{"tool_name":"x","result":null,"tool_call_error":false}"#)?.phase == .running)
    }

    @Test(arguments: ["Thinking...", "", "{", "{}", #"{"tool_name":3}"#, "[1]", #"{"tool":"x","status":"running"}"#])
    func everythingElseIsWords(status: String) {
        #expect(ToolStep(status: status) == nil)
    }
}

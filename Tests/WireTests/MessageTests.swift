import Testing
import Wire

@Suite struct MessageTests {
    @Test(arguments: [
        (
            #"{"type":"text_final","session_id":null,"text":null,"message_id":null,"seq":3,"ts_ms":1}"#,
            ClientMessage.textFinal(.init(sessionID: "default", text: ""))
        ),
        (
            #"{"type":"text_final","session_id":"  ","text":"hi","attachments":null,"author":{"kind":"human"}}"#,
            .textFinal(.init(sessionID: "default", text: "hi"))
        ),
        (
            #"{"type":"session_open","session_id":"s","after_seq":null,"profile":"realtime"}"#,
            .sessionOpen(.init(sessionID: "s"))
        ),
        (#"{"type":"session_open","after_seq":7}"#, .sessionOpen(.init(sessionID: "default", afterSequence: 7))),
        (#"{"type":"auth","token":"x"}"#, .auth), (#"{"type":"ping"}"#, .ping),
        (#"{"type":"command","name":"stop"}"#, .command(.init(name: "stop"))),
        (#"{"type":"terminal_open","cols":80}"#, .unknown(type: "terminal_open", sessionID: nil)),
    ])
    func clientMessagesTreatNullAndAbsentAlikeAndIgnoreUnknownFields(text: String, message: ClientMessage) throws {
        #expect(try ClientMessage(json: text) == message)
    }

    @Test(arguments: [
        (
            #"{"type":"response","text":"a","attachments":null,"model":null}"#,
            ServerMessage(.response(text: "a", model: nil))
        ),
        (
            #"{"type":"turn_complete","session_id":"s","usage":{"input_tokens":null}}"#,
            ServerMessage(.turnComplete(.init(reason: .completed)), sessionID: "s")
        ),
        (
            #"{"type":"turn_complete","reason":"new_reason","usage":null}"#,
            ServerMessage(.turnComplete(.init(reason: .completed)))
        ),
        (#"{"type":"error","text":"no"}"#, ServerMessage(.error(code: .internalError, text: "no"))),
        (#"{"type":"queued"}"#, ServerMessage(.queued(position: 1))),
        (#"{"type":"live_state","frames":[1,{}]}"#, ServerMessage(.unknown(type: "live_state"))),
    ])
    func serverMessagesTreatNullAndAbsentAlikeAndIgnoreUnknownFields(text: String, message: ServerMessage) throws {
        #expect(try ServerMessage(json: text) == message)
    }
}

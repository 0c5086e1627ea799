import Testing
import Wire

// The clients that exist were written for several generations of the protocol: what each of them writes is understood, and
// means the same.

@Suite struct ClientFieldNameTests {
    @Test(
        "field names of the seed and of the clients that exist mean the same",
        arguments: [
            (
                #"{"type":"audio_chunk_in","session_id":"s","data":"AAE=","seq":2,"is_end":true}"#,
                #"{"type":"audio_chunk_in","session_id":"s","data":"AAE=","seq":2,"encoding":"webm","end_of_speech":true}"#
            ),
            (
                #"{"type":"audio_chunk_in","session_id":"s","data":"","end_of_speech":true}"#,
                #"{"type":"audio_end_in","session_id":"s"}"#
            ),
            (
                #"{"type":"message","session_id":"s","text":"hi"}"#,
                #"{"type":"text_final","session_id":"s","text":"hi"}"#
            ),
            (#"{"type":"message","text":"hi"}"#, #"{"type":"text_final","session_id":"default","text":"hi"}"#),
            (
                #"{"type":"message","text":"hi","input_was_voice":true}"#,
                #"{"type":"text_final","text":"hi","source":"stt"}"#
            ),
            (
                #"{"type":"text_delta","session_id":"s","text":"hi","final":true}"#,
                #"{"type":"text_final","session_id":"s","text":"hi","source":"user_typed"}"#
            ),
            (
                #"{"type":"text_final","text":"x","attachments":[{"type":"image","path":"/a/b.png","filename":"b.png"}]}"#,
                #"{"type":"text_final","text":"x","attachments":[{"kind":"image","path":"/a/b.png"}]}"#
            ),
            (
                #"{"type":"attachment","session_id":"s","path":"/a/b.txt","filename":"b.txt"}"#,
                #"{"type":"attachment","session_id":"s","kind":"file","path":"/a/b.txt","mime_type":null}"#
            ),
            (
                #"{"type":"text_final","text":"x","seq":9,"ts_ms":12,"client_kind":"app"}"#,
                #"{"type":"text_final","text":"x","source":"something_new"}"#
            ),
        ])
    func clientsFieldNamesMeanTheSame(text: String, other: String) throws {
        #expect(try ClientMessage(json: text) == ClientMessage(json: other))
    }

    @Test("only a literal false turns speech off; a chunk without an encoding is webm") func readingIsLenient() throws {
        for (text, speak) in [("false", false), ("true", true), ("null", nil), ("0", nil), ("\"no\"", nil)]
            as [(String, Bool?)]
        {
            let message = try ClientMessage(json: #"{"type":"session_open","session_id":"s","speak":\#(text)}"#)
            guard case .sessionOpen(let open) = message else { throw WireMessageError.notAMessage }
            #expect(open.speak == speak, "\(text)")
        }
        guard case .audioChunk(let chunk) = try ClientMessage(json: #"{"type":"audio_chunk_in","data":"AAE="}"#) else {
            throw WireMessageError.notAMessage
        }
        #expect(chunk.encoding == "webm" && !chunk.isEnd && chunk.sequence == nil && chunk.sessionID == "default")
    }

    @Test(
        "what a client writes is read back as it was",
        arguments: [
            ClientMessage.sessionOpen(.init(sessionID: "s", afterSequence: 0, coalesceWindow: 500, speak: false)),
            .textFinal(.init(sessionID: "s", text: "a\u{0}b\u{1F600}", messageID: "m", source: .speech)),
            .audioChunk(
                .init(sessionID: "s", data: [0, 255], sequence: 1, encoding: "pcm16", sampleRate: 16_000, isEnd: true)),
            .attachment(sessionID: "s", Attachment(kind: .voice, path: "/x/y", filename: "y", id: "i", size: 7)),
            .command(.init(name: "model", sessionID: "s", argument: "other")), .interrupt(sessionID: "s"),
            .sessionClose(sessionID: "s"), .ping,
        ])
    func whatIsWrittenIsReadBack(message: ClientMessage) throws {
        #expect(try ClientMessage(json: message.json()) == message)
    }
}

import Foundation

@testable import Gateway
@testable import Wire

// Which causes of errors are there? Every family of routes says what it can't understand, who may not, and what isn't there; each status
// of docs/protocol.md has a cause that is real, and where nothing brings it about yet (424), one that is thrown by hand.

extension ErrorTableTests {
    private static let key = String(repeating: "0", count: 64)
    private static let long = #"{"message":"\#(String(repeating: "x", count: 1 << 20))"}"#

    /// A new cause is a new row; a setting that it needs is a case above and a line in ``ask(_:)``.
    static let rows: [Row] =
        [
            // 400: the request can't be understood, or names a value that isn't possible.
            Row(400, .badMessage, "POST", "/api/chat", "{"),
            Row(400, .invalid, "POST", "/api/chat", #"{"message":" "}"#),
            Row(400, .invalid, "GET", "/api/events?resource=nothing"),
            Row(400, .invalid, "GET", "/api/sessions?limit=0", hasFix: false),
            Row(400, .badMessage, "PUT", "/api/sessions/s/pin", "[]"),
            Row(400, .invalid, "GET", "/api/vault/notes?limit=1001", hasFix: false),
            Row(400, .invalid, "GET", "/api/vault/notes?cursor=none"),
            Row(400, .badMessage, "PUT", "/api/vault/notes/a.md", "7"),
            Row(400, .invalid, "POST", "/api/upload", "nothing"),
            Row(400, .invalid, "POST", "/api/tts/synthesize", "{}", hasFix: false),
            Row(400, .invalid, "GET", "/api/network/devices/short", hasFix: false),
            Row(400, .badMessage, "PATCH", "/api/network/users/root", #"{"role":7}"#),
            Row(400, .invalid, "GET", "/api/audit?before=x", hasFix: false),
            Row(400, .invalid, "PATCH", "/api/whoami/devices/short", #"{"label":"x"}"#, hasFix: false),
            Row(400, .badMessage, "POST", "/api/whoami/invitations", "[]"),
            Row(400, .badMessage, "PUT", "/api/config", "{"),
            Row(400, .invalid, "PUT", "/api/config", "[]"),
            Row(400, .invalid, "PATCH", "/api/config/limits", #"{"file_size":"much"}"#),
            Row(400, .invalid, "GET", "/api/logs?level=loud", hasFix: false),
            Row(400, .invalid, "GET", "/api/logs?follow=", hasFix: false),
            Row(400, .invalid, "GET", "/api/usage?month=13", hasFix: false),
            Row(400, .invalid, "GET", "/api/usage/daily?days=0", hasFix: false),
            Row(400, .invalid, "GET", "/api/usage/by", hasFix: false),
            Row(400, .badMessage, "POST", "/api/backup", "[]"),
            Row(400, .badMessage, "POST", "/api/providers", "[]"),
            Row(400, .invalid, "POST", "/api/providers", "{}", hasFix: false),
            Row(400, .invalid, "PUT", "/api/providers/1", #"{"base_url":"ftp://x"}"#, hasFix: false),
            Row(400, .invalid, "GET", "/api/models?enabled_only=", hasFix: false),
            Row(400, .badMessage, "POST", "/api/models", "[]"),
            Row(400, .invalid, "GET", "/api/models/available?provider_id=x", hasFix: false),
            Row(400, .invalid, "DELETE", "/api/models/0", hasFix: false),
            Row(400, .badMessage, "POST", "/api/mcps", "[]"),
            Row(400, .invalid, "POST", "/api/mcps", #"{"name":"a b","command":"x"}"#, hasFix: false),
            Row(400, .badMessage, "POST", "/api/scheduled-tasks", "[]"),
            Row(
                400, .invalid, "POST", "/api/scheduled-tasks",
                #"{"name":"a","cron_expression":"now and then","prompt":"x"}"#, hasFix: false),
            Row(400, .invalid, "GET", "/api/cron/describe", hasFix: false),
            Row(400, .badMessage, "POST", "/api/workflows", "[]"),
            Row(
                400, .invalid, "POST", "/api/workflows", #"{"name":"a","nodes":[{"id":"a","type":"x"}]}"#, hasFix: false
            ),
            Row(400, .invalid, "GET", "/api/workflows/plan/runs?status=bored", hasFix: false),
            Row(400, .invalid, "GET", "/api/approvals?state=maybe"),
            Row(400, .badMessage, "POST", "/api/approvals/x", "[]"),
            Row(404, .notFound, "POST", "/api/approvals/x", #"{"decision":"deny"}"#),
            Row(400, .invalid, "PUT", "/api/tool-policies/a%20b", #"{"rule":"deny"}"#, hasFix: false),
            Row(404, .notFound, "DELETE", "/api/tool-policies/a_b", hasFix: false),
            Row(404, .notFound, "POST", "/api/bridges/pairings/AAAAAAAA/approve"),
            Row(404, .notFound, "DELETE", "/api/bridges/telegram/senders/1"),
            Row(403, .forbidden, "GET", "/api/bridges/telegram/senders/1"),
            Row(403, .forbidden, "GET", "/api/bridges", as: .member),
            // 402: no more today.
            Row(402, .budgetExceeded, "POST", "/api/chat", #"{"message":"more"}"#, in: .spent),
            // 403: somebody else may.
            Row(403, .forbidden, "GET", "/api/audit", as: .member),
            Row(403, .forbidden, "POST", "/api/restart", as: .member),
            Row(403, .forbidden, "DELETE", "/api/network/users/root", as: .member),
            Row(403, .forbidden, "GET", "/api/usage?user=other", as: .member),
            Row(403, .forbidden, "GET", "/api/config", as: .member),
            Row(403, .forbidden, "PATCH", "/api/config/limits", "{}", as: .member),
            Row(403, .forbidden, "GET", "/api/logs", as: .member),
            Row(403, .forbidden, "POST", "/api/backup", "{}", as: .member),
            Row(403, .forbidden, "POST", "/api/backup", #"{"with_keys":true}"#),
            Row(403, .forbidden, "GET", "/api/providers", as: .member),
            Row(403, .forbidden, "POST", "/api/models/1/disable", as: .member),
            Row(403, .forbidden, "POST", "/api/mcps", #"{"name":"x","command":"x"}"#, as: .member),
            Row(403, .forbidden, "GET", "/api/scheduled-tasks", as: .member),
            Row(403, .forbidden, "DELETE", "/api/workflows/plan", as: .member),
            Row(403, .forbidden, "POST", "/api/vault/reindex", as: .member),
            // 404: it isn't there.
            Row(404, .notFound, "GET", "/api/nothing"),
            Row(404, .notFound, "GET", "/api/sessions/none/messages", hasFix: false),
            Row(404, .notFound, "GET", "/api/sessions/archives/7", hasFix: false),
            Row(404, .notFound, "GET", "/api/files/none", hasFix: false),
            Row(404, .notFound, "GET", "/api/upload/none", hasFix: false),
            Row(404, .notFound, "GET", "/api/vault/notes/None.md", hasFix: false),
            Row(404, .notFound, "PUT", "/api/sessions/s/pin", #"{"model":"none"}"#),
            Row(404, .notFound, "DELETE", "/api/whoami/devices/\(key)", hasFix: false),
            Row(404, .notFound, "GET", "/api/providers/9", hasFix: false),
            Row(404, .notFound, "GET", "/api/models/9", hasFix: false),
            Row(404, .notFound, "GET", "/api/models/nine", hasFix: false),
            Row(404, .notFound, "DELETE", "/api/mcps/none", hasFix: false),
            Row(404, .notFound, "GET", "/api/scheduled-tasks/none"),
            Row(404, .notFound, "DELETE", "/api/webhooks/none"),
            Row(503, .unavailable, "POST", "/api/scheduled-tasks/plan/run", "{}"),
            Row(404, .notFound, "GET", "/api/workflows/none"),
            Row(404, .notFound, "GET", "/api/workflow-runs/none", hasFix: false),
            Row(404, .notFound, "DELETE", "/api/network/users/nobody", hasFix: false),
            Row(404, .notFound, "GET", "/api/network/devices/\(key)", hasFix: false),
            Row(404, .notFound, "DELETE", "/api/network/invitations/none", hasFix: false),
            Row(404, .notFound, "GET", "/api/network/users", in: .memberAgent),
            Row(404, .unavailable, "POST", "/api/tts/synthesize", #"{"text":"x"}"#),
            // 405: with another method it would be possible.
            Row(405, .methodNotAllowed, "GET", "/api/chat"),
            Row(405, .methodNotAllowed, "DELETE", "/api/events"),
            Row(405, .methodNotAllowed, "POST", "/api/vault/notes/a.md"),
            Row(405, .methodNotAllowed, "DELETE", "/api/models/catalog"),
            Row(405, .methodNotAllowed, "POST", "/api/openapi.json"),
            Row(405, .methodNotAllowed, "POST", "/api/logs"),
            // 409: not in this state.
            Row(409, .conflict, "POST", "/api/models", #"{"provider_id":1,"model":"small"}"#, hasFix: false),
            Row(409, .conflict, "POST", "/api/mcps", #"{"name":"files","command":"x"}"#, hasFix: false),
            Row(
                409, .conflict, "POST", "/api/scheduled-tasks",
                #"{"name":"morning","cron_expression":"0 9 * * *","prompt":"x"}"#),
            Row(409, .conflict, "POST", "/api/workflows", #"{"name":"digest","nodes":[]}"#),
            Row(409, .conflict, "POST", "/api/restart"),
            Row(409, .conflict, "DELETE", "/api/network/users/root", hasFix: false),
            Row(409, .conflict, "POST", "/api/vault/move", #"{"from":"a.md","to":"b.md"}"#, hasFix: false),
            // 412: not in the version that was asked for.
            Row(
                412, .preconditionFailed, "PUT", "/api/vault/notes/a.md", #"{"content":"x"}"#,
                headers: ["If-Match": "\"old\""]),
            Row(
                412, .preconditionFailed, "PUT", "/api/config", #"{"name":"Eve"}"#, headers: ["If-Match": "\"old\""]),
            // Also 412: what it needs isn't set.
            Row(412, .notConfigured, "POST", "/api/providers/2/test", "{}"),
            Row(412, .notConfigured, "GET", "/api/models/available?provider_id=2"),
            // 413: too much of it.
            Row(413, .tooLarge, "PUT", "/api/config", long, hasFix: false),
            Row(413, .tooLarge, "POST", "/api/providers", long),
            Row(413, .tooLarge, "POST", "/api/workflows", long),
            Row(413, .tooLarge, "POST", "/api/chat", long),
            Row(413, .tooLarge, "PUT", "/api/sessions/s/pin", long),
            Row(413, .tooLarge, "POST", "/api/network/invitations", long),
            // 415: of another kind.
            Row(415, .notText, "GET", "/api/vault/notes/bytes.md"),
            // 429: later.
            Row(429, .queueFull, "POST", "/api/chat", #"{"message":"third"}"#, in: .busy),
            // 500: a defect of ours.
            Row(500, .internalError, "GET", "/test/defect"),
            // 501: not in this version.
            Row(501, .notImplemented, "PUT", "/api/sessions/s/pin", #"{"model":"local:small"}"#),
            // 502: somebody whom we asked failed.
            Row(502, .upstreamFailed, "POST", "/api/providers/3/test", "{}", in: .refusing),
            Row(502, .upstreamFailed, "GET", "/api/models/available?provider_id=3", in: .garbage),
            // Nobody listens there.
            Row(502, .upstreamFailed, "POST", "/api/providers/1/test", "{}"),
            Row(502, .unavailable, "POST", "/api/tts/synthesize", #"{"text":"x"}"#, in: .brokenVoice),
            // 503: not now, or not in this agent.
            Row(503, .unavailable, "GET", "/api/files/x", in: .bare, hasFix: false),
            Row(503, .unavailable, "GET", "/api/vault/notes", in: .bare, hasFix: false),
            Row(503, .unavailable, "POST", "/api/chat", #"{"message":"hello"}"#, in: .readOnly),
            Row(503, .unavailable, "POST", "/api/sessions/s/clear", in: .readOnly),
            Row(503, .unavailable, "PATCH", "/api/network/users/root", #"{"role":"member"}"#, in: .readOnly),
            Row(503, .unavailable, "GET", "/api/config", in: .bare, hasFix: false),
            Row(503, .unavailable, "GET", "/api/logs", hasFix: false),
            Row(503, .unavailable, "POST", "/api/backup", "{}", in: .bare, hasFix: false),
            Row(503, .unavailable, "POST", "/api/mcps", #"{"name":"x","command":"x"}"#, in: .readOnly),
            Row(503, .unavailable, "DELETE", "/api/workflows/plan", in: .readOnly),
            // 504: it takes too long.
            Row(504, .timedOut, "POST", "/api/providers/3/test", "{}", in: .late),
            Row(504, .timedOut, "POST", "/api/chat", #"{"message":"hello"}"#),
            Row(504, .timedOut, "POST", "/api/workflows/long/run", #"{"timeout_s":1}"#),
            // 507: no room.
            Row(507, .unavailable, "POST", "/api/network/invitations", "{}", in: .full),
        ]
        // What is thrown anywhere with a code of its own comes out with its status: models without a key, budgets, what isn't there yet.
        + ErrorCode.allCases.map { Row(Int($0.status.code), $0, "GET", "/test/\($0.rawValue)") }
}

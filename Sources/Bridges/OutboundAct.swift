public import Wire

// What can be done on a platform, and how can it fail? The vocabulary between the frame, which decides, and a platform, which acts.

/// One thing to do in a chat.
public enum OutboundAct: Sendable, Equatable, Codable {
    /// A new message.
    case send(OutboundText)
    /// Another text for a message of ours. Not called where ``PlatformLimits/canEdit`` is false.
    case edit(message: String, OutboundText)
    /// Shows for some seconds that an answer is being written.
    case typing
    case file(OutboundFile)
    /// The answer to an update with ``InboundUpdate/answerTo``.
    case answer(to: String, OutboundText)
}

/// Text of a message.
public struct OutboundText: Sendable, Equatable, Codable {
    /// Markdown, within ``PlatformLimits/textLength``. The platform puts it into its own markup, and sends it as plain text when the platform
    /// refuses that markup, and only then.
    public var markdown: String
    /// The message that it replies to; one that is gone is no failure.
    public var replyTo: String?
    /// Left out where the platform has none.
    public var buttons: [OutboundButton]

    public init(_ markdown: String, replyTo: String? = nil, buttons: [OutboundButton] = []) {
        self.markdown = markdown
        self.replyTo = replyTo
        self.buttons = buttons
    }
}

public struct OutboundButton: Sendable, Equatable, Codable {
    public var label: String
    /// Comes back when it is pressed; at most 64 bytes of ASCII.
    public var data: String

    public init(label: String, data: String) {
        self.label = label
        self.data = data
    }
}

/// A file for a chat.
public struct OutboundFile: Sendable, Equatable, Codable {
    public var kind: Attachment.Kind
    /// One path component.
    public var name: String
    public var mimeType: String?
    /// Bytes.
    public var size: Int64
    /// Where its bytes lie while it is sent.
    public var path: String
    public var replyTo: String?

    public init(
        kind: Attachment.Kind, name: String, mimeType: String?, size: Int64, path: String, replyTo: String? = nil
    ) {
        self.kind = kind
        self.name = name
        self.mimeType = mimeType
        self.size = size
        self.path = path
        self.replyTo = replyTo
    }
}

/// What a platform can take.
public struct PlatformLimits: Sendable, Equatable {
    /// In what text is counted.
    public enum Unit: Sendable { case utf16, scalars }

    /// How a session's id begins, e.g. `tg`.
    public var prefix: String
    /// Of one message.
    public var textLength: Int
    public var unit: Unit
    public var canEdit: Bool
    public var hasButtons: Bool
    /// Bytes of a file that can be sent, and of one that can be received.
    public var largestOutboundFile: Int64
    public var largestInboundFile: Int64
    /// Between two acts in one chat, and between two of all chats together.
    public var chatPause: Duration
    public var globalPause: Duration
    /// Between two edits of a message that is being written.
    public var editPause: Duration
    /// How long ``OutboundAct/typing`` lasts.
    public var typingTime: Duration

    public init(
        prefix: String, textLength: Int, unit: Unit, canEdit: Bool, hasButtons: Bool, largestOutboundFile: Int64,
        largestInboundFile: Int64, chatPause: Duration, globalPause: Duration, editPause: Duration,
        typingTime: Duration
    ) {
        self.prefix = prefix
        self.textLength = textLength
        self.unit = unit
        self.canEdit = canEdit
        self.hasButtons = hasButtons
        self.largestOutboundFile = largestOutboundFile
        self.largestInboundFile = largestInboundFile
        self.chatPause = chatPause
        self.globalPause = globalPause
        self.editPause = editPause
        self.typingTime = typingTime
    }
}

/// Why a platform did not do something. Texts hold no token.
public enum PlatformFailure: Error, Sendable, Equatable {
    public enum Scope: Sendable, Equatable { case chat, everything }

    /// It wants to be left alone for so long. It has done nothing.
    case wait(Duration, Scope)
    /// It can't be reached or has a fault of its own, and may have done what was asked. Tried again.
    case unavailable(String)
    /// The chat is gone for good or shut to us: blocked, deleted, left.
    case chatGone(String)
    /// The message to edit is not there any more.
    case messageGone
    /// It will never do this: the act is given up, the chat goes on.
    case refused(String)
    /// The account is wrong or used twice. Says what to do about it, for an admin.
    case account(String)
}

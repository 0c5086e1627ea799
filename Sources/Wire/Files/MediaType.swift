// What is in a file, as far as its name tells? And may a browser show it, or only keep it? A type that can carry a script
// is never shown: it would run as if the agent had written it. Pure.

/// The media types (MIME) that are known here.
public enum MediaType {
    public static let unknown = "application/octet-stream"

    /// The type that the extension of `filename` stands for.
    public static func of(_ filename: String) -> String {
        guard let dot = filename.lastIndex(of: "."), dot != filename.startIndex else { return unknown }
        return byExtension[filename[filename.index(after: dot)...].lowercased()] ?? unknown
    }

    /// Whether a browser may show it in place.
    public static func isShown(_ type: String) -> Bool {
        shown.contains(type) || type.hasPrefix("audio/") || type.hasPrefix("video/")
    }

    /// The kind of attachment that a type stands for.
    public static func kind(of type: String) -> Attachment.Kind {
        if type.hasPrefix("image/") { return .image }
        if type.hasPrefix("video/") { return .video }
        return type.hasPrefix("audio/") ? .voice : .file
    }

    private static let shown: Set = [
        "image/png", "image/jpeg", "image/gif", "image/webp", "text/plain", "application/pdf",
    ]

    private static let byExtension: [String: String] = [
        "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
        "svg": "image/svg+xml", "bmp": "image/bmp", "heic": "image/heic", "avif": "image/avif", "ico": "image/x-icon",
        "tif": "image/tiff", "tiff": "image/tiff",
        "txt": "text/plain", "log": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html",
        "htm": "text/html", "css": "text/css", "js": "text/javascript", "mjs": "text/javascript", "xml": "text/xml",
        "xhtml": "application/xhtml+xml", "json": "application/json", "yaml": "application/yaml",
        "yml": "application/yaml", "toml": "application/toml",
        "pdf": "application/pdf", "rtf": "application/rtf", "epub": "application/epub+zip",
        "doc": "application/msword", "xls": "application/vnd.ms-excel", "ppt": "application/vnd.ms-powerpoint",
        "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt": "application/vnd.oasis.opendocument.text", "ods": "application/vnd.oasis.opendocument.spreadsheet",
        "zip": "application/zip", "gz": "application/gzip", "tar": "application/x-tar",
        "7z": "application/x-7z-compressed",
        "mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg", "oga": "audio/ogg", "opus": "audio/ogg",
        "flac": "audio/flac", "m4a": "audio/mp4", "aac": "audio/aac",
        "mp4": "video/mp4", "m4v": "video/mp4", "webm": "video/webm", "mov": "video/quicktime",
        "mkv": "video/x-matroska", "avi": "video/x-msvideo",
    ]
}

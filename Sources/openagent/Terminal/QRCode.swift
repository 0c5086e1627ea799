internal import CQREncode

// How does a text look as a QR code? libqrencode decides on its modules; two of them stand above each other in one
// character, so that they are about square in a terminal.

/// A QR code, of which every module is dark or light.
struct QRCode {
    /// Light modules around the code, without which a camera does not find it.
    private static let margin = 2

    private let side: Int
    private let isDark: [Bool]

    /// - Returns: nil when the text is too long for any QR code.
    init?(_ text: String) {
        guard let code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1) else { return nil }
        defer { QRcode_free(code) }
        let side = Int(code.pointee.width)
        guard side > 0, let data = code.pointee.data else { return nil }
        self.side = side
        // The other bits of a byte say how the module came about.
        isDark = (0..<side * side).map { data[$0] & 1 == 1 }
    }

    /// Columns that ``text(colored:)`` takes.
    var columns: Int { side + 2 * Self.margin }
    /// Lines that it takes.
    var lines: Int { (columns + 1) / 2 }

    /// The code in half blocks.
    ///
    /// - Parameter colored: black on white whatever the terminal's colours are; else dark modules are drawn and light
    ///   ones left out.
    func text(colored: Bool) -> String {
        let (begin, end) = colored ? ("\u{1B}[38;5;16;48;5;231m", "\u{1B}[0m") : ("", "")
        var text = ""
        for row in stride(from: -Self.margin, to: side + Self.margin, by: 2) {
            text += begin
            for column in -Self.margin..<side + Self.margin {
                switch (isDark(row, column), isDark(row + 1, column)) {
                case (true, true): text += "█"
                case (true, false): text += "▀"
                case (false, true): text += "▄"
                case (false, false): text += " "
                }
            }
            text += end + "\n"
        }
        return text
    }

    private func isDark(_ row: Int, _ column: Int) -> Bool {
        (0..<side).contains(row) && (0..<side).contains(column) && isDark[row * side + column]
    }
}

// How does a value become bytes? Shortest lengths, definite lengths, 64-bit floats, map keys in the order of the map:
// byte for byte what the reference system's issuer writes, so that its vectors can be compared as they are.

extension CBORValue {
    /// The encoding of this value.
    var encoded: [UInt8] {
        var output: [UInt8] = []
        write(to: &output)
        return output
    }

    private func write(to output: inout [UInt8]) {
        switch self {
        case .unsigned(let value): Self.writeHead(0, value, to: &output)
        case .negative(let value): Self.writeHead(1, value, to: &output)
        case .bytes(let bytes):
            Self.writeHead(2, UInt64(bytes.count), to: &output)
            output += bytes
        case .text(let text): Self.writeText(text, to: &output)
        case .array(let items):
            Self.writeHead(4, UInt64(items.count), to: &output)
            for item in items { item.write(to: &output) }
        case .map(let map):
            Self.writeHead(5, UInt64(map.keys.count), to: &output)
            for key in map.keys {
                Self.writeText(key, to: &output)
                (map[key] ?? .null).write(to: &output)
            }
        case .bool(let value): output.append(value ? 0xf5 : 0xf4)
        case .null: output.append(0xf6)
        case .float(let value):
            output.append(0xfb)
            Self.writeBigEndian(value.bitPattern, bytes: 8, to: &output)
        }
    }

    private static func writeText(_ text: String, to output: inout [UInt8]) {
        writeHead(3, UInt64(text.utf8.count), to: &output)
        output += text.utf8
    }

    private static func writeHead(_ major: UInt8, _ argument: UInt64, to output: inout [UInt8]) {
        let type = major << 5
        switch argument {
        case 0..<24: output.append(type | UInt8(argument))
        case 24...0xff:
            output.append(type | 24)
            writeBigEndian(argument, bytes: 1, to: &output)
        case 0x100...0xffff:
            output.append(type | 25)
            writeBigEndian(argument, bytes: 2, to: &output)
        case 0x1_0000...0xffff_ffff:
            output.append(type | 26)
            writeBigEndian(argument, bytes: 4, to: &output)
        default:
            output.append(type | 27)
            writeBigEndian(argument, bytes: 8, to: &output)
        }
    }

    private static func writeBigEndian(_ value: UInt64, bytes: Int, to output: inout [UInt8]) {
        for shift in stride(from: (bytes - 1) * 8, through: 0, by: -8) {
            output.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
        }
    }
}

import Store

@testable import Certs

// What is in a frame, read as the coordinator reads a request and as a client reads an answer. What was understood is
// written so that the other side understands the same, and an answer never grows with the id that it echoes.

enum RPCMessagePromises {
    static func check(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        let isRequest = try checkRequest(input)
        guard let value = try? CBORReader.read(input, limits: CBORLimits(bytes: RPCFrame.responseLimit)) else {
            return false
        }
        let response = RPCResponse(value)
        if let response { try checkResponse(response) }
        if let row = DeviceRecord(wire: value) {
            try promise(
                row.key.count == 32 && DeviceRecord(wire: .map(row.wire))?.wire.bytes == row.wire.bytes,
                "a row of list_devices is not written as it was read")
        }
        return isRequest || response != nil
    }

    private static func checkRequest(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        var id = CBORValue.bool(true)
        let request: RPCRequest
        do throws(RPCError) {
            request = try Coordinator.request(input, id: &id)
        } catch {
            try promise(error.code == .badRequest, "refused as \(error.code.rawValue)")
            // A value that is no map has no id.
            try promise(id == .bool(true) || id.encoded.count <= 131, "the id to echo is too long")
            return false
        }
        try promise(id.encoded.count <= 131, "the id to echo is too long")
        try promise(request.id == id, "another id is echoed than was read")
        try promise(input.count <= RPCFrame.requestLimit, "\(input.count) bytes were read")
        let written = request.encoded
        guard written.count <= RPCFrame.requestLimit else { return true }
        var again = CBORValue.null
        try promise(
            (try? Coordinator.request(written, id: &again))?.encoded == written && again.encoded == id.encoded,
            "a request is not understood as it was written")
        for key in request.parameters.map.keys {
            let isText = (try? request.parameters.optionalText(key)) != nil
            let isBytes = (try? request.parameters.optionalBytes(key)) != nil
            try promise(!isText || !isBytes, "\(key) is text and bytes")
        }
        return true
    }

    private static func checkResponse(_ response: RPCResponse) throws(BrokenPromise) {
        let written = response.encoded
        let value = try? CBORReader.read(written, limits: CBORLimits(bytes: 4 * RPCFrame.responseLimit, depth: 9))
        try promise(
            value.flatMap { RPCResponse($0) }?.encoded == written, "an answer is not understood as it was written")
    }
}

extension CBORMap {
    fileprivate var bytes: [UInt8] { CBORValue.map(self).encoded }
}

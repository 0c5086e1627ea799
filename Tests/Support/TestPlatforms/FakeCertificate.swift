internal import Foundation
internal import NIOSSL

// Who does a fake claim to be over TLS? `localhost` and 127.0.0.1, by a certificate that nobody has signed but itself: who trusts it was told
// to, and everybody else must not connect.

/// A certificate for servers of tests, and its key, which is no secret.
public enum FakeCertificate {
    /// PEM.
    public static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBmzCCAUGgAwIBAgIUHHAfn+VBQ8WiC0w/6k/s0NmXECwwCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjA1NDE1NloYDzIxMjYxMDI5
        MDU0MTU2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAAQAhFcDnuG9GEklUWfmnKcYw7zUMMCxTu7WLKMMTF2bFzS+VItwtwM2
        QlAN6K5EdQcUrWq2EsS915UtdTSIRSDBo28wbTAdBgNVHQ4EFgQUL1dcNCNyflXs
        4Wq/KGtnFjGu8TkwHwYDVR0jBBgwFoAUL1dcNCNyflXs4Wq/KGtnFjGu8TkwDwYD
        VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
        zj0EAwIDSAAwRQIhALwjK6dsQeqGZfh8rWZ8Vv34Az+zTd1Etld2WmSNGlTTAiB+
        7wSNBwTu8iAA8Qvlp2IkSzGe3b+rbjf73piUwU1Bow==
        -----END CERTIFICATE-----
        """

    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg7i+1aEeU+B4a08qZ
        TEt4BP03Bq+sxTDhN00Nq4OrwR6hRANCAAQAhFcDnuG9GEklUWfmnKcYw7zUMMCx
        Tu7WLKMMTF2bFzS+VItwtwM2QlAN6K5EdQcUrWq2EsS915UtdTSIRSDB
        -----END PRIVATE KEY-----
        """

    static func context() throws -> NIOSSLContext {
        try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: NIOSSLCertificate.fromPEMBytes(Array(certificate.utf8)).map { .certificate($0) },
                privateKey: .privateKey(NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))))
    }
}

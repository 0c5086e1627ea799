import Testing

@testable import Agent

// Which addresses of the web may be asked for, in every form in which somebody could write them?

@Suite struct AddressTests {
    @Test(
        "P-24: addresses that are not one machine's on the internet are refused",
        arguments: [
            "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255",
            "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "172.16.0.1",
            "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1",
            "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1",
            "255.255.255.255",
            "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1",
            "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "3fff:fff::1",
            "5f00::1", "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "febf::1", "fec0::1", "ff02::1", "ff0e::1",
        ])
    func notPublic(_ text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(!address.isPublic, "\(address)")
    }

    @Test(
        "addresses of the internet are not",
        arguments: [
            "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
            "128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
            "2000::1", "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1", "3ffe::1",
        ])
    func isPublic(_ text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.isPublic, "\(address)")
    }

    @Test(
        "P-24: an address that could be read in two ways is not read at all",
        arguments: [
            "file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "javascript:alert(1)",
            "data:text/html,x",
            "http:example.com", "http:///x", "http://", "//example.com/", "example.com", "",
            "http://user@example.com/", "http://user:pass@example.com/", "http://example.com@127.0.0.1/",
            "http://@127.0.0.1/", "http://a:b@c@d/", "http://example.com\\@127.0.0.1/", "http://exam ple.com/",
            "http://example.com/\r\nHost: evil", "http://example.com/a b", "http://example.com\u{0}.evil.com/",
            "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://127.1/",
            "http://127.0.0.1.0/", "http://1.2.3.4.5/", "http://127.0.0.256/", "http://0x7f.1/", "http://8.8.8.010/",
            "http://[::1%25lo]/", "http://[fe80::1%eth0]/", "http://[1.2.3.4]/", "http://[::1/", "http://a%2eb.com/",
            "http://exa%6dple.com/", "http://example.com:0/", "http://example.com:65536/", "http://example..com/",
            "http://.example.com/", "http://exa$mple.com/", "http://*.com/",
        ])
    func unreadable(_ text: String) {
        #expect(throws: WebError.self) { try WebAddress(text) }
    }

    @Test(
        "an address is written in one form",
        arguments: [
            ("HTTP://Example.COM", "http://example.com/"), ("https://example.com:443/a?b#c", "https://example.com/a?b"),
            ("http://example.com:8080?x=1", "http://example.com:8080/?x=1"),
            ("http://example.com./", "http://example.com/"),
            ("http://bücher.de/ä", "http://xn--bcher-kva.de/%C3%A4"),
            ("http://[2001:DB8::1]/", "http://[2001:db8::1]/"),
            ("http://[::ffff:7f00:1]/", "http://[::ffff:127.0.0.1]/"), ("http://127。0。0。1/", "http://127.0.0.1/"),
            ("http://ＬＯＣＡＬhost/", "http://localhost/"), ("http://a_b.example/", "http://a_b.example/"),
        ])
    func oneForm(_ text: String, _ form: String) throws {
        let address = try WebAddress(text)
        #expect(address.description == form)
        #expect(try WebAddress(form) == address)
    }

    @Test("a link leads where a browser would go, and nowhere else than to the web")
    func links() throws {
        let page = try WebAddress("https://example.com/a/b?c")
        for (link, target) in [
            ("d", "https://example.com/a/d"), ("/d?e#f", "https://example.com/d?e"),
            ("../../x", "https://example.com/x"),
            ("//other.example/y", "https://other.example/y"), ("http://127.0.0.1/", "http://127.0.0.1/"),
        ] {
            #expect(try page.resolve(link).description == target)
        }
        for link in ["file:///etc/passwd", "javascript:1", "http://user@example.com/"] {
            #expect(throws: WebError.self) { try page.resolve(link) }
        }
    }
}

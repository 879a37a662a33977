#!/usr/bin/env bash
# golang.org/x/net/http/httpproxy v0.59.0 (net/http's ProxyFromEnvironment has the same rules): in NO_PROXY an IPv6 address
# in brackets counts only with a port, and without brackets only without one.
#
# Seen with go1.26.8 on linux/amd64. A URL has to write the address in brackets, so that is what people copy; it is
# skipped without a word, and the request goes to the proxy:
#
#   NO_PROXY              http://[2001:db8::1]/    http://[2001:db8::1]:8080/
#   [2001:db8::1]         proxy                    proxy
#   2001:db8::1           direct                   direct
#   [2001:db8::1]:80      direct                   proxy
#
# A host name with the dot of the root is another name than the one without it, on either side: with
# NO_PROXY=example.com, http://example.com./ goes to the proxy.
#
# The package's documentation shows IPv4 forms alone. The cause: an entry that net.SplitHostPort does not split is given
# to net.ParseIP with its brackets, and then passes for a domain name.
#
# This script runs the library without our code. It ends with 1 when what it does has changed.
set -euo pipefail

dir=$(mktemp -d)
trap 'chmod -R u+w "$dir" && rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"fmt"
	"net/url"

	"golang.org/x/net/http/httpproxy"
)

func main() {
	for _, c := range []struct {
		noProxy string
		urls    []string
	}{
		{"[2001:db8::1]", []string{"http://[2001:db8::1]/", "http://[2001:db8::1]:8080/"}},
		{"2001:db8::1", []string{"http://[2001:db8::1]/", "http://[2001:db8::1]:8080/"}},
		{"[2001:db8::1]:80", []string{"http://[2001:db8::1]/", "http://[2001:db8::1]:8080/"}},
		{"example.com", []string{"http://example.com/", "http://example.com./"}},
		{"example.com.", []string{"http://example.com/", "http://example.com./"}},
	} {
		config := httpproxy.Config{HTTPProxy: "http://proxy.test:3128", NoProxy: c.noProxy}
		proxy := config.ProxyFunc()
		for _, text := range c.urls {
			u, err := url.Parse(text)
			if err != nil {
				panic(err)
			}
			to, err := proxy(u)
			way := "direct"
			if to != nil {
				way = "proxy"
			}
			fmt.Println(c.noProxy, text, way, err)
		}
	}
}
GO

export GOFLAGS=-mod=mod GOWORK=off
go mod init finding 2>/dev/null
go mod edit -require golang.org/x/net@v0.59.0
go run . >got

cat >want <<'WANT'
[2001:db8::1] http://[2001:db8::1]/ proxy <nil>
[2001:db8::1] http://[2001:db8::1]:8080/ proxy <nil>
2001:db8::1 http://[2001:db8::1]/ direct <nil>
2001:db8::1 http://[2001:db8::1]:8080/ direct <nil>
[2001:db8::1]:80 http://[2001:db8::1]/ direct <nil>
[2001:db8::1]:80 http://[2001:db8::1]:8080/ proxy <nil>
example.com http://example.com/ direct <nil>
example.com http://example.com./ proxy <nil>
example.com. http://example.com/ proxy <nil>
example.com. http://example.com./ direct <nil>
WANT
cat got
if ! diff want got; then
	echo "this has changed" >&2
	exit 1
fi

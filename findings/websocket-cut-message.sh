#!/usr/bin/env bash
# nhooyr.io/websocket v1.8.17 and its successor github.com/coder/websocket v1.8.14: a connection that ends
# inside a message passes for the end of that message.
#
# Seen with go1.26.8 on linux/amd64. A client sends a part of a message of 5 bytes and closes its side of the TCP
# connection. RFC 6455, section 7.1.7, calls that a connection to be failed; Conn.Read returns these without an error:
#
#   the head of a frame of 5 bytes, nothing behind it      a message of 0 bytes
#   a first fragment of 3 bytes (FIN = 0), nothing behind  a message of 3 bytes
#
# and an error where the end comes inside the payload, or when a message is whole. The cause: msgReader.Read in
# read.go takes any error that wraps io.EOF for the end of the message, that of the connection too.
#
# This script runs the libraries without our code. It ends with 1 when what they do has changed.
set -euo pipefail

dir=$(mktemp -d)
trap 'chmod -R u+w "$dir" && rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"

	coder "github.com/coder/websocket"
	nhooyr "nhooyr.io/websocket"
)

const request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

// read accepts a connection and says what its first Read returns.
type read func(w http.ResponseWriter, r *http.Request) ([]byte, error)

func byNhooyr(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	c, err := nhooyr.Accept(w, r, nil)
	if err != nil {
		return nil, err
	}
	defer c.CloseNow()
	_, msg, err := c.Read(context.Background())
	return msg, err
}

func byCoder(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	c, err := coder.Accept(w, r, nil)
	if err != nil {
		return nil, err
	}
	defer c.CloseNow()
	_, msg, err := c.Read(context.Background())
	return msg, err
}

// outcome is what a server reads of a client that sends these bytes and ends.
func outcome(f read, sent string) string {
	said := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		msg, err := f(w, r)
		if err != nil {
			said <- "an error"
		} else {
			said <- fmt.Sprintf("a message of %d bytes", len(msg))
		}
	}))
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		return err.Error()
	}
	if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
		return err.Error()
	}
	if _, err := io.WriteString(c, sent); err != nil {
		return err.Error()
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err.Error()
	}
	return <-said
}

func main() {
	const key = "\x00\x00\x00\x00" // a mask of zeros: the payload is as it reads
	for _, lib := range []struct {
		name string
		read read
	}{{"nhooyr v1.8.17", byNhooyr}, {"coder v1.8.14", byCoder}} {
		for _, c := range []struct{ name, sent string }{
			{"whole", "\x82\x85" + key + "hello"},
			{"between messages", ""},
			{"in the payload", "\x82\x85" + key + "hel"},
			{"behind the head", "\x82\x85" + key},
			{"behind a first fragment", "\x02\x83" + key + "hel"},
		} {
			fmt.Printf("%s: %s: %s\n", lib.name, c.name, outcome(lib.read, c.sent))
		}
	}
}
GO

export GOFLAGS=-mod=mod GOWORK=off
go mod init finding 2>/dev/null
go mod edit -require nhooyr.io/websocket@v1.8.17 -require github.com/coder/websocket@v1.8.14
go run . >got

cat >want <<'WANT'
nhooyr v1.8.17: whole: a message of 5 bytes
nhooyr v1.8.17: between messages: an error
nhooyr v1.8.17: in the payload: an error
nhooyr v1.8.17: behind the head: a message of 0 bytes
nhooyr v1.8.17: behind a first fragment: a message of 3 bytes
coder v1.8.14: whole: a message of 5 bytes
coder v1.8.14: between messages: an error
coder v1.8.14: in the payload: an error
coder v1.8.14: behind the head: a message of 0 bytes
coder v1.8.14: behind a first fragment: a message of 3 bytes
WANT
cat got
if ! diff want got; then
	echo "this has changed" >&2
	exit 1
fi

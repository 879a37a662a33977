package ws

import (
	"bufio"
	"io"
	"net/http"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// RoundTrip implements http.RoundTripper for the one request of a dial, on its
// own connection: no goroutines, no proxy, and nothing logged (http.Transport
// writes what a server sends too early to the standard logger). The library
// gets the connection as the body of the response, which it may write to.
func (d *dial) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := d.open(req.Context(), req.URL); err != nil {
		return nil, err
	}
	asked := time.Now()
	if err := req.Write(d.cork); err != nil {
		return nil, err
	}
	r := bufio.NewReader(io.LimitReader(d.cork, limits.HTTPHeaderBytes))
	if _, err := r.Peek(1); err != nil {
		return nil, err // io.EOF: closed without a word, which is not half an answer
	}
	resp, err := readResponse(r, req)
	if err != nil {
		return nil, err
	}
	d.clock = clockOf(resp.Header, asked, time.Now())
	if resp.StatusCode == http.StatusSwitchingProtocols {
		if d.unasked(resp) {
			d.stage = transport.StageSubprotocol
			return nil, errUnasked
		}
		d.cork.start(buffered(r))
		resp.Body = d.cork
	}
	return resp, nil
}

// readResponse skips informational responses before the one that counts.
func readResponse(r *bufio.Reader, req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(r, req)
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
}

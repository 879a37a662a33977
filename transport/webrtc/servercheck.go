//go:build !nowebrtc

package webrtc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/transport/v4/stdnet"
	"github.com/pion/turn/v5"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
)

// ErrServerLogin is why a TURN server relays nothing: it does not take the user or the
// password.
var ErrServerLogin = errors.New("the server does not take the user or the password")

// CheckServer finds out whether a STUN server answers, or a TURN server relays, within
// limits.ICEServerTime. A relayed address is given back at once. It returns how long
// that took.
func CheckServer(ctx context.Context, s Server, roots *x509.CertPool) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, limits.ICEServerTime)
	defer cancel()
	began := time.Now()
	at, conn, err := reachServer(ctx, s, roots)
	if err == nil {
		err = askServer(ctx, s, at, conn)
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("no answer over %s within %v: %w", s.Transport, limits.ICEServerTime, ctx.Err())
	}
	return time.Since(began), err
}

// reachServer opens what the questions go over, and tells where they go to. Relays are
// asked for over IPv4, as the library does.
func reachServer(ctx context.Context, s Server, roots *x509.CertPool) (at string, conn net.PacketConn, err error) {
	if s.Transport != OverUDP {
		c, err := dialServer(ctx, "tcp4", s.Host, s.Transport == OverTLS, roots)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", s.Transport, withoutAddresses(err))
		}
		return c.RemoteAddr().String(), turn.NewSTUNConn(c), nil
	}
	host, port, _ := net.SplitHostPort(s.Host)
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return "", nil, err
	}
	conn, err = (&net.ListenConfig{}).ListenPacket(ctx, "udp4", ":0")
	return net.JoinHostPort(addrs[0].Unmap().String(), port), conn, err
}

// withoutAddresses is an error without what changes from one try to the next.
func withoutAddresses(err error) error {
	var unknown *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.As(err, &unknown):
		return unknown.Err
	case errors.As(err, &op):
		return op.Err
	}
	return err
}

// askServer asks over conn, and closes it.
func askServer(ctx context.Context, s Server, at string, conn net.PacketConn) error {
	defer conn.Close()
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: at, TURNServerAddr: at, Username: s.User, Password: s.Password, Conn: conn,
		Net: machine{&stdnet.Net{}}, LoggerFactory: loggers{slog.New(slog.DiscardHandler)},
	})
	if err != nil {
		return err
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, guard.Func("the end of a question to a server", func() {
		client.Close()
		_ = conn.Close()
	}, nil))
	defer stop()
	if err := client.Listen(); err != nil {
		return err
	}
	if !s.Relay {
		_, err := client.SendBindingRequest()
		return withoutAddresses(err)
	}
	relay, err := client.Allocate()
	var refused *stun.TurnError
	switch {
	case errors.As(err, &refused) && loginCodes[refused.ErrorCodeAttr.Code]:
		return fmt.Errorf("%w (%d %s)", ErrServerLogin, refused.ErrorCodeAttr.Code, refused.ErrorCodeAttr.Reason)
	case errors.As(err, &refused):
		return fmt.Errorf("the server relays nothing (%d %s)", refused.ErrorCodeAttr.Code, refused.ErrorCodeAttr.Reason)
	case err != nil:
		return withoutAddresses(err)
	}
	return relay.Close()
}

// loginCodes are the answers to a wrong user or password: 401 of coturn, 400 of pion.
var loginCodes = map[stun.ErrorCode]bool{
	stun.CodeUnauthorized: true, stun.CodeBadRequest: true, stun.CodeWrongCredentials: true,
}

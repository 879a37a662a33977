//go:build linux

package natlab

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/wire"
)

// bounded ends after patience.
func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// headers are those of arguments "Name: value".
func headers(args []string) http.Header {
	h := make(http.Header)
	for _, a := range args {
		name, value, _ := strings.Cut(a, ": ")
		h.Add(name, value)
	}
	return h
}

// eachLine calls f for each line of standard input.
func eachLine(f func(line string)) error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		f(in.Text())
	}
	return in.Err()
}

// preyRole is a program on loopback that nobody outside is to reach. It prints
// its URL, and for each line of input how many connections came and what they
// asked for.
func preyRole() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var mu sync.Mutex
	connects, asked := 0, ""
	server := http.Server{
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			asked += " " + r.RequestURI
		}),
		ConnState: func(_ net.Conn, s http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			if s == http.StateNew {
				connects++
			}
		},
	}
	go server.Serve(l)
	fmt.Printf("ws://%v\n", l.Addr())
	return eachLine(func(string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("%d%s\n", connects, asked)
		connects, asked = 0, ""
	})
}

// lureRole links with the node at its first argument, with the headers of the
// others, and says that two nodes are to be dialled at its second one. It prints
// "told" when it has said so.
func lureRole() error {
	ctx, cancel := bounded()
	defer cancel()
	var others [][]byte
	for range 2 {
		other := hostile.NewSelf(wire.RoleRelay)
		other.Info.URLs = []string{os.Args[2] + "/reboot?now=1"}
		others = append(others, other.Contact())
	}
	l, err := hostile.Dial(ctx, os.Args[1], hostile.NewSelf(wire.RoleRelay), hostile.Options{Header: headers(os.Args[3:])})
	if err != nil {
		return err
	}
	defer l.Close()
	var once sync.Once
	l.Run(hostile.Habits{On: func(frame []byte) bool {
		if !hostile.IsLink(wire.LinkFindNode)(frame) {
			return false
		}
		if l.Send(wire.AppendNodes(nil, &wire.Nodes{Records: others})) == nil {
			once.Do(func() { fmt.Println("told") })
		}
		return true
	}})
	return eachLine(func(string) {})
}

// proxyRole passes on to the URL of its second argument what comes to the address
// of its first, and tells of each client, as reverse proxies do.
func proxyRole() error {
	to, err := url.Parse(os.Args[2])
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", os.Args[1])
	if err != nil {
		return err
	}
	go http.Serve(l, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.SetXForwarded()
		r.Out.Host = r.In.Host
	}})
	fmt.Println("ready")
	return eachLine(func(string) {})
}

// linksRole makes links with the node at its third argument, as many as its second
// one says, of the role that its first one names. It prints "done", and for each
// line of input how many of them answer a ping.
func linksRole() error {
	role := wire.RoleRelay
	if os.Args[1] == wire.RoleLeaf.String() {
		role = wire.RoleLeaf
	}
	most, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	var links []*hostile.Link
	for range most {
		ctx, cancel := bounded()
		l, err := hostile.Dial(ctx, os.Args[3], hostile.NewSelf(role), hostile.Options{})
		cancel()
		if err == nil {
			links = append(links, l.Run(hostile.Habits{}))
		}
	}
	fmt.Println("done")
	return eachLine(func(string) {
		alive := 0
		for _, l := range links {
			ctx, cancel := bounded()
			if l.Ping(ctx, [8]byte{1}) == nil {
				alive++
			}
			cancel()
		}
		fmt.Println(alive)
	})
}

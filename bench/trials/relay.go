package trials

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"sync"
	"time"

	"github.com/peermesh/peermesh/node"
)

const (
	// relayEnv makes this program the relay of [MeasureRelay].
	relayEnv = "PEERMESH_BENCH_RELAY"
	// linkers is how many leaves link at once.
	linkers = 8
	// idle is how long the links carry nothing before the memory is read: long
	// enough for what links begin by themselves to end.
	idle = 3 * time.Second
	// gcPercent is that of the program peermesh, which the relay stands for.
	gcPercent = 50
)

// Relay is the resident memory of a process with one relay, in bytes.
type Relay struct {
	Links  int   `json:"links"`
	Empty  int64 `json:"empty_rss"`     // before the node was made
	Linked int64 `json:"linked_rss"`    // with the links, idle
	Tidied int64 `json:"collected_rss"` // after a garbage collection that gave everything back
}

// RelayChild reports whether this process is the relay of a measurement, and
// then has been it: the caller returns. It is called first of all.
func RelayChild() bool {
	if os.Getenv(relayEnv) == "" {
		return false
	}
	if err := relayMain(os.Stdin, os.Stdout); err != nil {
		fmt.Println("error:", err)
	}
	return true
}

// relayMain says its memory and its URL, then its memory again at each line
// that it reads; "tidy" collects garbage first.
func relayMain(in io.Reader, out io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	debug.FreeOSMemory()
	fmt.Fprintln(out, resident())
	n, err := node.New(node.Config{Listen: "127.0.0.1:0", MaxLeaves: 4096})
	if err != nil {
		return err
	}
	defer func() { _ = n.Close() }()
	fmt.Fprintln(out, n.URLs()[0])
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if lines.Text() == "tidy" {
			debug.FreeOSMemory()
		}
		fmt.Fprintln(out, resident(), len(n.Peers()))
	}
	return nil
}

// resident is the process's resident memory in bytes, 0 if it is not told.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	_, _ = fmt.Sscan(string(text), &size, &pages)
	return pages * int64(os.Getpagesize())
}

// MeasureRelay starts this program as a relay in a process of its own and
// gives it links from leaves in this one.
func MeasureRelay(ctx context.Context, links int) (r Relay, err error) {
	c, err := startChild(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	var url string
	if _, err := fmt.Fscan(c.out, &r.Empty, &url); err != nil {
		return r, fmt.Errorf("relay process: %w", err)
	}
	leaves, err := startLeaves(ctx, links, url)
	defer func() { closeAll(leaves) }()
	if err != nil {
		return r, err
	}
	sleep(ctx, idle)
	if r.Linked, r.Links, err = c.ask("now"); err != nil {
		return r, err
	}
	r.Tidied, _, err = c.ask("tidy")
	return r, err
}

// child is the relay's process.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startChild(ctx context.Context) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), relayEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &child{cmd, in, bufio.NewReader(out)}, cmd.Start()
}

func (c *child) ask(what string) (rss int64, links int, err error) {
	if _, err := fmt.Fprintln(c.in, what); err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Fscan(c.out, &rss, &links); err != nil {
		return 0, 0, fmt.Errorf("relay process: %w", err)
	}
	return rss, links, nil
}

func (c *child) stop() error {
	_ = c.in.Close() // its end of input
	return c.cmd.Wait()
}

// startLeaves starts ends with one link each.
func startLeaves(ctx context.Context, n int, url string) ([]*node.Node, error) {
	var mu sync.Mutex
	var leaves []*node.Node
	var errs []error
	var running sync.WaitGroup
	for i := range linkers {
		running.Go(func() {
			for k := i; k < n && ctx.Err() == nil; k += linkers {
				leaf, err := node.New(node.Config{Leaf: true, MaxPeers: 1, Homes: 1, Bootstrap: []string{url}})
				if err == nil {
					mu.Lock()
					leaves = append(leaves, leaf)
					mu.Unlock()
					err = ready(ctx, leaf)
				}
				if err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	running.Wait()
	return leaves, errors.Join(errs...)
}

func ready(ctx context.Context, n *node.Node) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	return n.Ready(ctx)
}

func closeAll(nodes []*node.Node) {
	var running sync.WaitGroup
	for _, n := range nodes {
		running.Go(func() { _ = n.Close() })
	}
	running.Wait()
}

package peermesh

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// startLimit bounds one process of the start measurement.
const startLimit = 20 * time.Second

// Start measures, with the built program in three processes, the time from a
// listener's ready line to the end of a send to it: a process is started, joins
// the relay, makes a session through it and has its message acknowledged.
func Start(ctx context.Context, runs int) (times []time.Duration, err error) {
	dir, err := os.MkdirTemp("", "peermesh-start")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program, err := build(ctx, dir)
	if err != nil {
		return nil, err
	}
	for range runs {
		took, err := startOnce(ctx, program)
		if err != nil {
			return nil, fmt.Errorf("start: %w", err)
		}
		times = append(times, took)
	}
	return times, nil
}

// build builds the program of the checkout that this module is in.
func build(ctx context.Context, dir string) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/peermesh/peermesh").Output()
	if err != nil {
		return "", fmt.Errorf("start: find the project (run the benchmarks in their folder): %w", err)
	}
	program := filepath.Join(dir, "peermesh")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/peermesh")
	cmd.Dir = strings.TrimSpace(string(root))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("start: build: %w: %s", err, out)
	}
	return program, nil
}

func startOnce(ctx context.Context, program string) (_ time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	relay, err := launch(ctx, program, "--host", "127.0.0.1", "--port", "0", "--json")
	if err != nil {
		return 0, err
	}
	defer relay.stop()
	url := relay.ready.URLs[0]
	listener, err := launch(ctx, program, "listen", "--json", "--bootstrap", url)
	if err != nil {
		return 0, err
	}
	defer listener.stop()
	begin := time.Now()
	out, err := exec.CommandContext(ctx, program, "send", listener.ready.ID, "hello", "--bootstrap", url).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("send: %w: %s", err, out)
	}
	return time.Since(begin), nil
}

// process is a running program that has printed its ready line.
type process struct {
	cmd   *exec.Cmd
	ready struct {
		ID   string   `json:"id"`
		URLs []string `json:"urls"`
	}
}

func launch(ctx context.Context, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, program, args...)}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p.ready)
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("%s: no ready line: %w", strings.Join(args, " "), err)
	}
	return p, nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill() // its end is the wish
	_ = p.cmd.Wait()
}

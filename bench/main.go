package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/trials"
)

// allModes are the measurements, in the order of the report.
var allModes = []string{"win", "own", "echo", "hop", "idle", "overhead", "start", "first", "light", "loss", "relay", "quic", "connect", "rtc"}

const (
	minSize = harness.MinSize
	maxSize = 60000 // the longest message of peermesh
)

// options are what the command line says.
type options struct {
	systems []harness.System
	sizes   []int
	modes   []string
	rounds  int
	links   int
	time    time.Duration // measured, of each throughput cell
	json    string        // file, "-" for standard output, "" for none
	profile string        // file, "" for none
}

func main() {
	if trials.RelayChild() {
		return
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0, 1 if a measurement failed, 2 for wrong usage.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p := newPlan(o)
	ctx, cancel := bounded(ctx, p, stderr)
	defer cancel()
	if err := profiled(o.profile, func() { p.run(ctx, stderr) }); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	r := p.report()
	if err := write(r, o.json, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return min(len(r.Failures), 1)
}

// bounded gives the run twice the time that it should take, and ends the
// process if that does not end the run.
func bounded(ctx context.Context, p *plan, stderr io.Writer) (context.Context, context.CancelFunc) {
	limit := 2*p.expected() + time.Minute
	fmt.Fprintf(stderr, "takes about %v\n", p.expected().Round(time.Second))
	guard := time.AfterFunc(limit+30*time.Second, func() {
		fmt.Fprintln(stderr, "still running long after its time: giving up")
		os.Exit(1)
	})
	ctx, cancel := context.WithTimeout(ctx, limit)
	return ctx, func() { guard.Stop(); cancel() }
}

// profiled calls f and writes what it did to file, if one is named.
func profiled(file string, f func()) error {
	if file == "" {
		f()
		return nil
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return errors.Join(err, out.Close())
	}
	f()
	pprof.StopCPUProfile()
	return out.Close()
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	systems := f.String("systems", strings.Join(names(allSystems()), ","), "`systems` to measure")
	sizes := f.String("size", "64,1024,16384", "message `sizes` in bytes, 16 to 60000")
	modes := f.String("modes", strings.Join(allModes, ","), "`measurements` to make")
	f.IntVar(&o.rounds, "rounds", 5, "`number` of interleaved rounds")
	f.IntVar(&o.links, "links", 200, "`number` of links in the idle measurement")
	f.DurationVar(&o.time, "time", 900*time.Millisecond, "measured `time` of each throughput cell; a ping-pong has half of it")
	f.StringVar(&o.json, "json", "", "also write everything as JSON to this `file`; - writes it to standard output instead of the tables")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of all measurements to this `file`")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var errs [4]error
	o.systems, errs[0] = chooseSystems(*systems)
	o.sizes, errs[1] = chooseSizes(*sizes)
	o.modes, errs[2] = chooseModes(*modes)
	if f.NArg() > 0 || o.rounds < 1 || o.links < 1 || o.time <= 0 {
		errs[3] = errors.New("rounds, links and time are above zero, and there are no arguments")
	}
	return o, errors.Join(errs[:]...)
}

func chooseSystems(list string) ([]harness.System, error) {
	all := allSystems()
	var chosen []harness.System
	for _, name := range strings.Split(list, ",") {
		i := slices.Index(names(all), name)
		if i < 0 {
			return nil, fmt.Errorf("system %q: want some of %s", name, strings.Join(names(all), ","))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func names(systems []harness.System) []string {
	var out []string
	for _, s := range systems {
		out = append(out, s.Name())
	}
	return out
}

func chooseSizes(list string) ([]int, error) {
	var sizes []int
	for _, word := range strings.Split(list, ",") {
		size, err := strconv.Atoi(word)
		if err != nil || size < minSize || size > maxSize {
			return nil, fmt.Errorf("size %q: want %d to %d bytes", word, minSize, maxSize)
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}

func chooseModes(list string) ([]string, error) {
	modes := strings.Split(list, ",")
	for _, m := range modes {
		if !slices.Contains(allModes, m) {
			return nil, fmt.Errorf("mode %q: want some of %s", m, strings.Join(allModes, ","))
		}
	}
	return modes, nil
}

package harness

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what the process had used at one moment.
type usage struct {
	at        time.Time
	cpu       time.Duration // user and system time of all threads
	mallocs   uint64
	delivered uint64
}

func usageNow(delivered uint64) usage {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return usage{at: time.Now(), cpu: cpuTime(), mallocs: mem.Mallocs, delivered: delivered}
}

func cpuTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

package node

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// machineMemory is what this process may have: the least of GOMEMLIMIT, the limit
// of its control group and the memory of the machine, as far as they are known.
var machineMemory = sync.OnceValue(func() int {
	return min(int(min(debug.SetMemoryLimit(-1), math.MaxInt)), groupMemory(os.ReadFile), physicalMemory(os.ReadFile))
})

// The files of Linux that tell; elsewhere they are not there.
const (
	meminfo   = "/proc/meminfo"
	ownGroups = "/proc/self/cgroup"
	groups    = "/sys/fs/cgroup"
)

// physicalMemory reads the line "MemTotal: 16303428 kB".
func physicalMemory(read func(string) ([]byte, error)) int {
	text, _ := read(meminfo)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "MemTotal:" {
			continue
		}
		if n, err := strconv.Atoi(fields[1]); err == nil && n > 0 && n < math.MaxInt>>10 {
			return n << 10
		}
	}
	return math.MaxInt
}

// groupMemory is the least limit of the control group of this process and those
// above it, of version 2 or 1.
func groupMemory(read func(string) ([]byte, error)) int {
	least := math.MaxInt
	text, _ := read(ownGroups)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		fields := strings.SplitN(lines.Text(), ":", 3) // 0::/path, or 9:memory:/path
		if len(fields) < 3 {
			continue
		}
		root, file := groups, "memory.max"
		if fields[0] != "0" {
			root, file = path.Join(groups, "memory"), "memory.limit_in_bytes"
			if fields[1] != "memory" {
				continue
			}
		}
		for dir := path.Join("/", fields[2]); ; dir = path.Dir(dir) {
			limit, _ := read(path.Join(root, dir, file))
			if n, err := strconv.Atoi(string(bytes.TrimSpace(limit))); err == nil && n > 0 {
				least = min(least, n)
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}

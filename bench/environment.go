package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// environment is what a figure depends on beside the code.
type environment struct {
	Go         string    `json:"go"`
	OS         string    `json:"os"`
	Arch       string    `json:"arch"`
	Processor  string    `json:"processor"`
	CPUs       int       `json:"cpus"`
	GOMAXPROCS int       `json:"gomaxprocs"`
	Load       []float64 `json:"load_1min"` // before each round and after the last
}

func describe(load []float64) environment {
	return environment{
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Processor: processor(),
		CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0), Load: load,
	}
}

// loadAverage is the system's load over the last minute, -1 if it is not told.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	var load float64
	if err != nil {
		return -1
	}
	if _, err := fmt.Sscan(string(text), &load); err != nil {
		return -1
	}
	return load
}

// processor is the model's name, empty if it is not told.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "model name"); ok {
			return strings.TrimLeft(name, "\t :")
		}
	}
	return ""
}

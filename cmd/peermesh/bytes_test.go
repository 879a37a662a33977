package main

import "testing"

func TestMemorySizes(t *testing.T) {
	for text, want := range map[string]int{
		"0": 0, "64MiB": 64 << 20, "1GiB": 1 << 30, "8192KiB": 8 << 20, "67108864": 64 << 20, "67108864B": 64 << 20,
		"": -1, "64": -1, "1MiB": -1, "64MB": -1, "64 MiB": -1, "-1GiB": -1, "99999999999GiB": -1, "MiB": -1,
	} {
		v := memorySize()
		err := v.Set(text)
		if got := int(v.v); (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
}

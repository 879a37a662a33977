package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport/mem"
)

// keeper is a node in virtual time that keeps a state directory, with a peer.
type keeper struct {
	*Node
	t      *testing.T
	dir    string
	events <-chan Event
}

func startKeeper(t *testing.T, dir string) *keeper {
	t.Helper()
	var network mem.Network
	startInMemory(t, &network, "a", Config{})
	k := &keeper{startInMemory(t, &network, "b", Config{StateDir: dir, Bootstrap: []string{"ws://a:1"}}), t, dir, nil}
	k.events = watch(t, k.Node)
	ready(t, k.Node)
	return k
}

// want waits until the node has looked, and compares its warnings and what it told
// since the last time.
func (k *keeper) want(when, warning string, told ...EventKind) {
	k.t.Helper()
	time.Sleep(limits.KnownPeersWrite + limits.StateLook + time.Second)
	synctest.Wait()
	all := k.Status().Warnings
	switch {
	case warning == "" && len(all) > 0:
		k.t.Errorf("%s: got warnings %v, want none", when, all)
	case warning != "" && (len(all) != 1 || !strings.Contains(all[0].Text, warning) || all[0].Hint == "" || all[0].Since.IsZero()):
		k.t.Errorf("%s: got warnings %v, want one of %q", when, all, warning)
	}
	i := 0
	for len(k.events) > 0 {
		ev := <-k.events
		if ev.Kind != Warned && ev.Kind != Resolved {
			continue
		}
		if i >= len(told) || ev.Kind != told[i] || ev.Kind == Warned && (ev.Err == "" || ev.Hint == "") {
			k.t.Errorf("%s: got %+v as event %d, want %v", when, ev, i, told)
		}
		i++
	}
	if i != len(told) {
		k.t.Errorf("%s: got %d events, want %v", when, i, told)
	}
}

func (k *keeper) file(name string) string { return filepath.Join(k.dir, name) }

func (k *keeper) has(name string) bool {
	_, err := os.Lstat(k.file(name))
	return err == nil
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestStateDirectoryUnderANode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	away := dir + ".away"
	synctest.Test(t, func(t *testing.T) {
		k := startKeeper(t, dir)
		k.want("all is well", "")
		if !k.has(knownPeersFile) {
			t.Fatal("no known peers were written")
		}

		must(t, os.Remove(k.file(knownPeersFile)))
		k.want("the known peers are deleted", "")
		if !k.has(knownPeersFile) {
			t.Error("the file of the known peers is not made anew")
		}

		must(t, os.Rename(dir, away))
		k.want("deleted", "is gone", Warned)
		if k.has(".") {
			t.Error("the directory is made anew, without its identity")
		}

		must(t, os.Mkdir(dir, 0o700))
		k.want("made anew, empty", "is gone")

		other, err := LoadID(dir) // as another node does that starts there
		must(t, err)
		k.want("another identity", other.Short(), Warned)
		if k.has(knownPeersFile) {
			t.Error("known peers are written beside another identity")
		}

		must(t, os.RemoveAll(dir), os.Rename(away, dir), os.Remove(k.file(knownPeersFile)))
		k.want("put back", "", Resolved)
		if !k.has(knownPeersFile) {
			t.Error("the known peers are not written again")
		}
		if _, err := identity.LockDir(dir); err == nil {
			t.Error("the directory that is back is not locked")
		}
	})
}

// A copy with the same identity is as good, and is locked anew.
func TestStateDirectoryFromACopy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		k := startKeeper(t, dir)
		k.want("all is well", "")
		key, err := os.ReadFile(k.file(identity.KeyFileName))
		must(t, err)
		must(t, os.RemoveAll(dir), os.Mkdir(dir, 0o700), os.WriteFile(k.file(identity.KeyFileName), key, 0o600))
		k.want("a copy", "")
		if !k.has(knownPeersFile) {
			t.Error("the known peers are not written")
		}
		if _, err := identity.LockDir(dir); err == nil {
			t.Error("the copy is not locked")
		}
		must(t, k.Close())
		lock, err := identity.LockDir(dir)
		if err != nil {
			t.Fatalf("after the end: %v", err)
		}
		must(t, lock.Close())
	})
}

// What the node has in its way is named, and goes when it is gone.
func TestKnownPeersThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		must(t, os.MkdirAll(filepath.Join(dir, knownPeersFile, "in the way"), 0o700))
		k := startKeeper(t, dir)
		k.want("a directory in its place", "cannot be written", Warned, Warned)
		must(t, os.RemoveAll(k.file(knownPeersFile)))
		k.want("the way is free", "", Resolved)
		if !k.has(knownPeersFile) {
			t.Error("the known peers are not written")
		}
	})
}

func TestDamagedKnownPeersAreAWarning(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		must(t, os.WriteFile(filepath.Join(dir, knownPeersFile), []byte("garbage"), 0o600))
		k := startKeeper(t, dir)
		if all := k.Status().Warnings; len(all) != 1 || all[0].Part != partKnownPeers {
			t.Errorf("at the start: got warnings %v, want one", all)
		}
		k.want("written anew", "", Warned, Resolved)
	})
}

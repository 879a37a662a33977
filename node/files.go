package node

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

// The parts of a node that come from files.
const (
	partCertificate = "certificate"
	partNetworkKey  = "network-key"
	partTLSCA       = "tls-ca"
)

// files are what the config takes from files, as it is in use now. Any goroutine.
type files struct {
	cert       atomic.Pointer[tls.Certificate] // nil: no TLS
	networkKey atomic.Pointer[[]byte]          // nil: Config.NetworkKey
	roots      atomic.Pointer[x509.CertPool]   // nil: the system's alone

	mu   sync.Mutex // held while they are looked at
	sets []*fileSet
}

// fileSet are files that are only of use together.
type fileSet struct {
	part  string
	paths []string
	read  func() (use func() (changed bool), err error)

	seen   []os.FileInfo // when they were read last
	failed []os.FileInfo // when they could not be read and nobody was told of it yet
}

// add reads a set for the first time.
func (f *files) add(s *fileSet) error {
	s.seen = s.look()
	use, err := s.read()
	if err != nil {
		return err
	}
	use()
	for _, info := range s.seen {
		if info == nil || !info.Mode().IsRegular() {
			return nil // a pipe has nothing more to say
		}
	}
	f.sets = append(f.sets, s)
	return nil
}

// look is how the files are now. One that is not there is nil.
func (s *fileSet) look() []os.FileInfo {
	infos := make([]os.FileInfo, len(s.paths))
	for i, path := range s.paths {
		infos[i], _ = os.Stat(path) // why it cannot be read is told by who reads it
	}
	return infos
}

// sameFiles says that nothing has been written meanwhile, nor put in the place of
// one.
func sameFiles(a, b []os.FileInfo) bool {
	if len(a) != len(b) {
		return false
	}
	for i, x := range a {
		if missing := x == nil && b[i] == nil; !missing && !sameFile(x, b[i]) {
			return false
		}
	}
	return true
}

// again reads the set anew if it has changed, or in any case. An error that is not
// told yet may be a file that is half written: unless asked for, it is told once
// nothing has changed since the look before.
func (s *fileSet) again(always bool) (changed, read bool, err error) {
	now := s.look()
	if !always && sameFiles(now, s.seen) {
		return false, false, nil
	}
	for i, info := range now {
		if info != nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is no regular file any more", s.paths[i])
		}
	}
	var use func() bool
	if err == nil {
		use, err = s.read()
	}
	if err != nil {
		if !always && !sameFiles(now, s.failed) {
			s.failed = now
			return false, false, nil
		}
		s.seen, s.failed = now, nil
		return false, true, err
	}
	s.seen, s.failed = now, nil
	return use(), true, nil
}

// certificate are the files of the port's certificate.
func (f *files) certificate(certFile, keyFile string) *fileSet {
	return &fileSet{part: partCertificate, paths: []string{certFile, keyFile}, read: func() (func() bool, error) {
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("TLSCert %s, TLSKey %s: %w", certFile, keyFile, err)
		}
		return func() bool {
			old := f.cert.Swap(&cert)
			return old == nil || !sameChain(old, &cert)
		}, nil
	}}
}

func sameChain(a, b *tls.Certificate) bool {
	if len(a.Certificate) != len(b.Certificate) {
		return false
	}
	for i := range a.Certificate {
		if !bytes.Equal(a.Certificate[i], b.Certificate[i]) {
			return false
		}
	}
	return true
}

// authorities are the file of further roots.
func (f *files) authorities(file string) *fileSet {
	return &fileSet{part: partTLSCA, paths: []string{file}, read: func() (func() bool, error) {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("TLSCA: %w", err)
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("TLSCA: %s holds no PEM certificate", file)
		}
		return func() bool {
			old := f.roots.Swap(roots)
			return old == nil || !old.Equal(roots)
		}, nil
	}}
}

// key is the file of a closed mesh's key.
func (f *files) key(file string) *fileSet {
	return &fileSet{part: partNetworkKey, paths: []string{file}, read: func() (func() bool, error) {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("NetworkKeyFile: %w", err)
		}
		key, err := ParseNetworkKey(text)
		if err != nil {
			return nil, fmt.Errorf("NetworkKeyFile %s: %w", file, err)
		}
		return func() bool {
			old := f.networkKey.Swap(&key)
			return old == nil || !bytes.Equal(*old, key)
		}, nil
	}}
}

// networkKeyBytes is the length of a closed mesh's key.
const networkKeyBytes = 32

// ParseNetworkKey reads what [Config.NetworkKeyFile] may hold: 32 bytes, or 64 hex
// digits with blanks around them.
func ParseNetworkKey(text []byte) ([]byte, error) {
	if len(text) == networkKeyBytes {
		return bytes.Clone(text), nil
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != networkKeyBytes {
		return nil, errors.New("want 64 hex digits, or 32 bytes")
	}
	return key, nil
}

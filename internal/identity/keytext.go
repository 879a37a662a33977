package identity

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	keyFileMagic   = "peermesh identity "
	keyFileVersion = "1"
	maxKeyFile     = 4 << 10 // bytes read; a key file has 135
)

// formatKeyFile returns the text of the key file of id.
func formatKeyFile(id *Identity) []byte {
	return fmt.Appendf(nil, "%s%s\nid %x\nseed %x\n", keyFileMagic, keyFileVersion, id.id[:], id.seed())
}

// parseKeyFile reads the text of a key file, or says what is wrong with it in
// words that contain none of it. White space at the ends of lines does not
// count, so that an editor does no harm.
func parseKeyFile(b []byte) (id *Identity, problem string) {
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return nil, "is empty"
	case len(b) > maxKeyFile || !bytes.HasPrefix(b, []byte(keyFileMagic)):
		return nil, "is not a peermesh key file"
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\r")
	}
	if lines[0] != keyFileMagic+keyFileVersion {
		return nil, "was written by another version of peermesh"
	}
	if len(lines) != 3 {
		return nil, "is damaged: it should have three lines"
	}
	return parseKeyLines(lines[1], lines[2])
}

// parseKeyLines reads the lines of ID and seed, of which the ID is the check.
func parseKeyLines(idLine, seedLine string) (id *Identity, problem string) {
	want, ok := hexField(idLine, "id ", 20)
	if !ok {
		return nil, "is damaged: the second line should be id and 40 hex digits"
	}
	seed, ok := hexField(seedLine, "seed ", 32)
	if !ok {
		return nil, "is damaged: the third line should be seed and 64 hex digits"
	}
	id = FromSeed([32]byte(seed))
	if !bytes.Equal(want, id.id[:]) {
		return nil, "is damaged: the ID does not belong to the seed"
	}
	return id, ""
}

func hexField(line, name string, n int) ([]byte, bool) {
	s, ok := strings.CutPrefix(line, name)
	if !ok || len(s) != 2*n {
		return nil, false
	}
	b, err := hex.DecodeString(s)
	return b, err == nil
}

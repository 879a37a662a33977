#!/usr/bin/env bash
# github.com/pelletier/go-toml/v2 v2.4.3: an array that is shorter than the Go array it is read into leaves the old
# elements behind it, and one that is longer loses its end; neither is an error.
#
# Seen with go1.26.8 on linux/amd64. Settings are often read over a value that holds the defaults:
#
#   x = [1]        into [2]int{7, 8}    gives [1 8]; encoding/json gives [1 0] for the same
#   x = [1, 2, 3]  into [2]int          gives [1 2]; encoding/json too
#   x = [1]        into []int{7, 8}     gives [1]
#
# Decoder.DisallowUnknownFields changes nothing of it. Read into a slice and look at its length.
#
# This script runs the library without our code. It ends with 1 when what it does has changed.
set -euo pipefail

dir=$(mktemp -d)
trap 'chmod -R u+w "$dir" && rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

type array struct{ X [2]int }

func main() {
	for _, text := range []string{"[1]", "[1, 2, 3]"} {
		byTOML, byJSON := array{[2]int{7, 8}}, array{[2]int{7, 8}}
		d := toml.NewDecoder(strings.NewReader("X = " + text)).DisallowUnknownFields()
		err := d.Decode(&byTOML)
		fmt.Println(text, "toml:", byTOML.X, err)
		err = json.Unmarshal([]byte(`{"X": `+text+`}`), &byJSON)
		fmt.Println(text, "json:", byJSON.X, err)
	}
	slice := struct{ X []int }{[]int{7, 8}}
	err := toml.Unmarshal([]byte("X = [1]"), &slice)
	fmt.Println("slice:", slice.X, err)
}
GO

export GOFLAGS=-mod=mod GOWORK=off
go mod init finding 2>/dev/null
go mod edit -require github.com/pelletier/go-toml/v2@v2.4.3
go run . >got

cat >want <<'WANT'
[1] toml: [1 8] <nil>
[1] json: [1 0] <nil>
[1, 2, 3] toml: [1 2] <nil>
[1, 2, 3] json: [1 2] <nil>
slice: [1] <nil>
WANT
cat got
if ! diff want got; then
	echo "this has changed" >&2
	exit 1
fi

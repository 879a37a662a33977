// Package vectors keeps the golden vectors of the wire protocol: one JSON file,
// internal/wire/testdata/vectors.json, that the tests of every implementation
// read. Each top-level key is a section that belongs to one test.
//
// It is for tests only and depends on the standard library alone.
package vectors

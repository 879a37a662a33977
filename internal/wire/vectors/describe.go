package vectors

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
)

// Describe returns v in the form that the vectors have it, ready for
// encoding/json: a struct is an object of its exported fields with a small
// first letter, byte slices and byte arrays are lower-case hex, numbers of 64
// bits are decimal strings, and a nil slice or pointer is null.
func Describe(v any) any { return describe(reflect.ValueOf(v)) }

func describe(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return describe(v.Elem())
	case reflect.Struct:
		return describeStruct(v)
	case reflect.Slice, reflect.Array:
		return describeList(v)
	case reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	case reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint:
		return v.Uint()
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int:
		return v.Int()
	case reflect.Bool:
		return v.Bool()
	case reflect.String:
		return v.String()
	}
	panic(fmt.Sprintf("vectors: no form for a %s", v.Type()))
}

func describeStruct(v reflect.Value) any {
	fields := make(map[string]any)
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			fields[smallFirst(f.Name)] = describe(v.Field(i))
		}
	}
	return fields
}

func describeList(v reflect.Value) any {
	if v.Kind() == reflect.Slice && v.IsNil() {
		return nil
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		b := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(b), v)
		return hex.EncodeToString(b)
	}
	list := make([]any, v.Len())
	for i := range list {
		list[i] = describe(v.Index(i))
	}
	return list
}

// smallFirst turns HopLimit into hopLimit and URLs into urls.
func smallFirst(name string) string {
	upper := strings.IndexFunc(name, func(c rune) bool { return !unicode.IsUpper(c) })
	switch {
	case upper < 0 || name[upper:] == "s":
		return strings.ToLower(name)
	case upper > 1:
		return strings.ToLower(name[:upper-1]) + name[upper-1:]
	}
	return strings.ToLower(name[:1]) + name[1:]
}

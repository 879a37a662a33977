package vectors

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// recorder is a TB that remembers what a test would have been told.
type recorder struct{ told []string }

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.told = append(r.told, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...) }

// module makes a folder that looks like the root of a module and returns the
// path of its vectors.
func module(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	deep := filepath.Join(root, "some", "package")
	for _, d := range []string{filepath.Join(root, dir), deep} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(deep)
	return filepath.Join(root, dir, fileName)
}

func section1(told *recorder, update bool, got any) { Section(told, "one", update, got) }

func TestUpdateKeepsOtherSections(t *testing.T) {
	path := module(t)
	if err := os.WriteFile(path, []byte(`{"zeta": [1, 2], "alpha": {"a": "<&>"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	var told recorder
	section1(&told, true, map[string]int{"b": 2})
	section1(&told, false, map[string]int{"b": 2})
	Section(&told, "zeta", false, []int{1, 2})
	Section(&told, "alpha", false, map[string]string{"a": "<&>"})
	if len(told.told) > 0 {
		t.Errorf("got complaints %q, want none", told.told)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := string(b)
	alpha, one, zeta := strings.Index(s, `"alpha"`), strings.Index(s, `"one"`), strings.Index(s, `"zeta"`)
	if alpha < 0 || one < alpha || zeta < one {
		t.Errorf("got sections out of order in %s", s)
	}
	var back map[string]int
	Load(t, "one", &back)
	if back["b"] != 2 {
		t.Errorf("load: got %v, want b = 2", back)
	}
}

func TestDifferencesAreReported(t *testing.T) {
	path := module(t)
	var told recorder
	section1(&told, false, 1)
	section1(&told, true, []string{"same", "old"})
	section1(&told, false, []string{"same", "new"})
	if err := os.WriteFile(path+".lock", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	section1(&told, true, 3)
	want := []string{"-update", `"new"`, "-p 1"}
	if len(told.told) != len(want) {
		t.Fatalf("got %d complaints %q, want %d", len(told.told), told.told, len(want))
	}
	for i, part := range want {
		if !strings.Contains(told.told[i], part) {
			t.Errorf("complaint %d: got %q, want it to contain %q", i, told.told[i], part)
		}
	}
}

func TestLoadWithoutSection(t *testing.T) {
	module(t)
	var told recorder
	var into any
	Load(&told, "none", &into)
	if len(told.told) != 1 {
		t.Errorf("got %q, want one complaint", told.told)
	}
}

func TestNoModule(t *testing.T) {
	t.Chdir(t.TempDir())
	var told recorder
	section1(&told, true, 1)
	if len(told.told) != 1 || !strings.Contains(told.told[0], "no folder") {
		t.Errorf("got %q, want one complaint about the folder", told.told)
	}
}

func TestDescribe(t *testing.T) {
	type inner struct{ N uint8 }
	got := Describe(struct {
		ID       [2]byte
		HopLimit uint8
		URLs     []string
		TTLMax   uint64
		None     []byte
		Empty    []byte
		In       *inner
		Gone     *inner
		Yes      bool
		Below    int64
		Least    int
		hidden   int
	}{
		ID: [2]byte{1, 0xff}, URLs: []string{"u"}, TTLMax: 1 << 63, Empty: []byte{}, In: &inner{7},
		Yes: true, Below: -1, Least: -2, hidden: 1,
	})
	want := map[string]any{
		"id": "01ff", "hopLimit": uint64(0), "urls": []any{"u"}, "ttlMax": "9223372036854775808",
		"none": nil, "empty": "", "in": map[string]any{"n": uint64(7)}, "gone": nil, "yes": true,
		"below": "-1", "least": int64(-2),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

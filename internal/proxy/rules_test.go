package proxy

import (
	"net/url"
	"strings"
	"testing"
)

// noProxies empties the environment's variables about proxies.
func noProxies(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"} {
		t.Setenv(name, "")
		t.Setenv(strings.ToLower(name), "")
	}
}

func TestRules(t *testing.T) {
	const all = "http://all:1"
	for _, test := range []struct {
		name, setting, target, want string // want "": none
		env                         map[string]string
	}{
		{"nothing is set", "", "wss://a.test", "", nil},
		{"wss by HTTPS_PROXY", "", "wss://a.test/x", "http://p:1", map[string]string{"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "http://q:1"}},
		{"ws by HTTP_PROXY", "", "ws://a.test:8080", "http://q:1", map[string]string{"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "http://q:1"}},
		{"small letters", "", "wss://a.test", "socks5://p:1", map[string]string{"https_proxy": "socks5://p:1"}},
		{"small letters, ws", "", "ws://a.test", "https://p:1", map[string]string{"http_proxy": "https://p:1"}},
		{"the other one's", "", "ws://a.test", "", map[string]string{"HTTPS_PROXY": "http://p:1"}},
		{"ALL_PROXY, ws", "", "ws://a.test", all, map[string]string{"ALL_PROXY": all}},
		{"all_proxy, wss", "", "wss://a.test", all, map[string]string{"all_proxy": all}},
		{"ALL_PROXY comes second", "", "wss://a.test", "http://p:1", map[string]string{"ALL_PROXY": all, "HTTPS_PROXY": "http://p:1"}},
		{"no scheme", "", "ws://a.test", "http://p:3128", map[string]string{"http_proxy": "p:3128"}},
		{"as desktops write it", "", "ws://a.test", "socks5://p:1080", map[string]string{"ALL_PROXY": "socks://p:1080/"}},
		{"NO_PROXY names it", "", "wss://b.a.test", "", map[string]string{"ALL_PROXY": all, "NO_PROXY": "x,.a.test"}},
		{"no_proxy has its network", "", "ws://10.1.2.3:80", "", map[string]string{"ALL_PROXY": all, "no_proxy": "10.0.0.0/8"}},
		{"NO_PROXY names another", "", "ws://11.1.2.3", all, map[string]string{"ALL_PROXY": all, "NO_PROXY": "10.0.0.0/8"}},
		{"localhost", "", "ws://localhost:80", "", map[string]string{"ALL_PROXY": all}},
		{"loopback", "", "wss://127.3.2.1", "", map[string]string{"ALL_PROXY": all}},
		{"loopback, IPv6", "", "wss://[::1]", "", map[string]string{"ALL_PROXY": all}},
		{"a setting", "socks5h://u:p@p:1", "ws://a.test", "socks5h://u:p@p:1", map[string]string{"ALL_PROXY": all}},
		{"a setting, and NO_PROXY", "http://p:1", "ws://a.test", "", map[string]string{"NO_PROXY": "a.test"}},
		{"a setting, and loopback", "http://p:1", "ws://127.0.0.1:8080", "", nil},
		{"off", "off", "ws://a.test", "", map[string]string{"ALL_PROXY": all}},
	} {
		t.Run(test.name, func(t *testing.T) {
			noProxies(t)
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			r, err := NewRules(test.setting)
			if err != nil {
				t.Fatal(err)
			}
			target, err := url.Parse(test.target)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.For(target)
			text := ""
			if got != nil {
				text = strings.TrimSuffix(got.String(), "/")
			}
			if err != nil || text != test.want {
				t.Errorf("got %q, %v, want %q", text, err, test.want)
			}
		})
	}
}

// What is no proxy is told, and never with what stands in it.
func TestWhatIsNoProxy(t *testing.T) {
	noProxies(t)
	for _, text := range []string{
		"ftp://u:hidden@p:1", "http://", "http://u:hidden@", "http://u:hidden@p:0", "http://u:hidden@p:x", "http://u:hid%zzden@p:1", "socks4://p:1",
		"http://u:hidden@p:1/path", "http://p:1?token=hidden", "u:hidden@p:70000", "http://p:1#hidden", "://u:hidden@p", "http://u:" + strings.Repeat("hidden", 50) + "@p",
	} {
		if _, err := NewRules(text); err == nil || strings.Contains(err.Error(), "hid") {
			t.Errorf("%s: got %v, want an error without the password", text, err)
		}
		t.Setenv("https_proxy", text)
		r, err := NewRules("")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.For(&url.URL{Scheme: "ws", Host: "a.test"}); err != nil {
			t.Errorf("%s: got %v for ws, want none", text, err)
		}
		_, err = r.For(&url.URL{Scheme: "wss", Host: "a.test"})
		if err == nil || strings.Contains(err.Error(), "hid") || !strings.Contains(err.Error(), "https_proxy") {
			t.Errorf("%s: got %v, want an error that names the variable and no password", text, err)
		}
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		"http://u:hidden@p": "http://p:80", "HTTPS://hidden@p": "https://p:443", "socks5://[::1]": "socks5://[::1]:1080", "p:3128": "http://p:3128",
	} {
		u, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := Name(u); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

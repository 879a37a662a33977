package proxy

import (
	"fmt"
	"net/url"
	"os"

	"golang.org/x/net/http/httpproxy"
)

// Rules say which proxy a URL goes by. They do not change.
type Rules struct {
	plain, secure *entry // for ws and for wss; nil: none
	proxied       func(*url.URL) (*url.URL, error)
}

// entry is a proxy, or why what was set is none.
type entry struct {
	url *url.URL
	err error
}

// marker is what the rules of the library choose; which proxy it stands for is
// known here.
const marker = "http://proxy.invalid"

// NewRules reads a setting: the URL of a proxy for everything, Off, or "", which
// stands for HTTPS_PROXY (wss), HTTP_PROXY (ws) and ALL_PROXY (both, where the
// other is not set), in capitals or small letters. NO_PROXY holds in either case;
// localhost and loopback addresses never go by a proxy.
func NewRules(setting string) (*Rules, error) {
	r := &Rules{}
	switch setting {
	case Off:
	case "":
		r.plain, r.secure = variable("HTTP_PROXY", "http_proxy"), variable("HTTPS_PROXY", "https_proxy")
		all := variable("ALL_PROXY", "all_proxy")
		if r.plain == nil {
			r.plain = all
		}
		if r.secure == nil {
			r.secure = all
		}
	default:
		u, err := Parse(setting)
		if err != nil {
			return nil, err
		}
		r.plain = &entry{url: u}
		r.secure = r.plain
	}
	bypass := httpproxy.Config{NoProxy: httpproxy.FromEnvironment().NoProxy}
	if r.plain != nil {
		bypass.HTTPProxy = marker
	}
	if r.secure != nil {
		bypass.HTTPSProxy = marker
	}
	r.proxied = bypass.ProxyFunc()
	return r, nil
}

// variable reads a proxy from the first variable that is set; nil: none is.
func variable(names ...string) *entry {
	for _, name := range names {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		u, err := Parse(text)
		if err != nil {
			err = fmt.Errorf("%s of the environment: %w", name, err)
		}
		return &entry{u, err}
	}
	return nil
}

// For is the proxy by which a ws or wss URL goes; nil: none.
func (r *Rules) For(target *url.URL) (*url.URL, error) {
	u, e := *target, r.plain
	u.Scheme = "http"
	if target.Scheme == "wss" || target.Scheme == "https" {
		u.Scheme, e = "https", r.secure
	}
	found, err := r.proxied(&u)
	if found == nil || err != nil {
		return nil, err
	}
	return e.url, e.err
}

// Package transporttest is the suite that every carrier passes: what
// transport.Conn promises, one case for each promise.
//
//	func TestConformance(t *testing.T) {
//		transporttest.Run(t, "plain", func(t testing.TB) (a, b transport.Conn) { ... })
//	}
package transporttest

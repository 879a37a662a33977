package session

// What is copied and waits for a peer is charged to the budget of the node.

// affords says whether n bytes more may wait for p. mu is held.
func (p *peer) affords(n int) bool { return p.account.Fits(n, p.account.Held() == 0) }

// charge brings the account of p up to date. mu is held.
func (p *peer) charge() { p.account.Set(p.datagrams.bytes + p.out.bytes) }

package redistest

// Move gives the proxy's address to another server, as a DNS name or a virtual
// address moves at a failover. Connections that exist stay with the server that they
// have; new ones go to target.
func (p *Proxy) Move(target string) { p.change(func() { p.target = target }) }

// aim is the server that new connections go to.
func (p *Proxy) aim() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target
}

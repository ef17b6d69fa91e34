// Package memo keeps what was made of one version of a value, for all who want the same at about the same time: of many
// watchers of one key the first makes it, and the others wait for that one.
//
// It holds a bounded number of bytes, the last that were made. What is small is not kept: to make it again costs less.
package memo

import "sync"

// Least is the size from which on something is kept, in bytes.
const Least = 4 << 10

// Memo is safe for concurrent use. What it returns is shared: nobody writes into it.
type Memo struct {
	limit int

	mu    sync.Mutex // guards the rest
	by    map[string]*made
	order []*made // what is kept, oldest first
	size  int     // bytes of that
}

// made is something that is kept, or being made.
type made struct {
	name string
	once sync.Once
	body []byte
}

// New returns a Memo that keeps at most limit bytes, beside what is in use.
func New(limit int) *Memo {
	return &Memo{limit: limit, by: make(map[string]*made)}
}

// Get returns what was made under the name, and makes it if it is not there. One name always stands for the same bytes.
// Make runs outside all locks and must not panic; nil is nothing, and is made again by the next.
func (m *Memo) Get(name string, make func() []byte) []byte {
	m.mu.Lock()
	it, there := m.by[name]
	if !there {
		it = &made{name: name}
		m.by[name] = it
	}
	m.mu.Unlock()
	it.once.Do(func() {
		it.body = make()
		m.keep(it)
	})
	return it.body
}

// keep counts what has been made, and lets the oldest go that there is no room for.
func (m *Memo) keep(it *made) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(it.body) < Least || len(it.body) > m.limit {
		delete(m.by, it.name)
		return
	}
	m.order = append(m.order, it)
	m.size += len(it.body)
	for m.size > m.limit {
		old := m.order[0]
		m.order[0], m.order = nil, m.order[1:]
		m.size -= len(old.body)
		delete(m.by, old.name)
	}
}

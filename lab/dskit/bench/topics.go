package bench

// A Topic is one kind of work.
type Topic struct {
	Name string
	Pace Pace
	run  func(s System, r *Report) error
}

// Pace is how often a topic is run.
type Pace int

// The paces of topics.
const (
	Rounds Pace = iota // in every round
	Once               // it takes a minute or more, or the medians of many updates itself
	Alone              // once, on starling: what it is about are cells, or more keys than the peer can hold
)

// Topics are all there are, in the order of the table.
func Topics() []Topic {
	return []Topic{
		{"get", Rounds, get},
		{"cas", Rounds, cas},
		{"list", Rounds, list},
		{"reconcile", Rounds, reconcile},
		{"registry", Rounds, registry},
		{"fields", Rounds, fields},
		{"receive", Rounds, receive},
		{"memory", Rounds, memory},
		{"memory-gossip", Once, memoryByGossip},
		{"memory-small", Alone, memorySmall},
		{"join", Rounds, join},
		{"join-large", Once, joinLarge},
		{"burst", Once, burst},
		{"million", Alone, million},
		{"converge-16", Once, converge(16)},
		{"converge-32", Once, converge(32)},
		{"converge-64", Once, converge(64)},
		{"lossy-64", Alone, lossy},
		{"heartbeat", Once, heartbeat},
		{"load-16", Once, load},
	}
}

// Names are the names of all topics.
func Names() []string {
	var names []string
	for _, t := range Topics() {
		names = append(names, t.Name)
	}
	return names
}

package kv

// As finds an interface, or the concrete client, behind wrappers: it returns the first of c, c.Unwrap(), ... that is a T.
// A wrapper of this package has an optional interface exactly if what it wraps has it; behind a [Prefix] nothing is found
// that would speak of keys without the prefix.
func As[T any](c Client) (T, bool) {
	for c != nil {
		if t, ok := c.(T); ok {
			if p, ok := c.(passer); !ok || lends[T](p) {
				return t, true
			}
		}
		w, ok := c.(interface{ Unwrap() Client })
		if !ok {
			break
		}
		c = w.Unwrap()
	}
	var none T
	return none, false
}

// passer is a wrapper whose every method passes on to the client it wraps, so that it can do what that can, and no more.
type passer interface{ passesTo() Client }

func lends[T any](p passer) bool {
	_, ok := As[T](p.passesTo())
	return ok
}

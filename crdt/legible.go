package crdt

import "github.com/starlingkv/starling/internal/embed"

// Legible is a whole value for people to read: what stands in base64 in it
// though it is text stands as {"$text": "..."}. What is no object and no array
// is left as it is.
func Legible(whole []byte) []byte { return embed.Legible(whole) }

// Illegible is what Legible was given.
func Illegible(shown []byte) []byte { return embed.Illegible(shown) }

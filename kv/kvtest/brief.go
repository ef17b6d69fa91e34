package kvtest

import (
	"fmt"

	"github.com/starlingkv/starling/kv"
)

// shown is how many bytes of a value a failure shows: the largest has 16 MiB.
const shown = 64

// brief cuts what a failure would show of large values. What is small stays what it is.
func brief(args []any) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		out[i] = arg
		switch v := arg.(type) {
		case string:
			out[i] = cut(v)
		case []byte:
			if len(v) > shown {
				out[i] = cut(string(v))
			}
		case kv.Raw:
			if len(v) > shown {
				out[i] = cut(string(v))
			}
		case kv.Entry:
			v.Value = brief([]any{v.Value})[0]
			out[i] = v
		}
	}
	return out
}

func cut(text string) string {
	if len(text) <= shown {
		return text
	}
	return fmt.Sprintf("%s... (%d bytes)", text[:shown], len(text))
}

package consullab

import (
	"context"

	"github.com/starlingkv/starling/internal/lab"
)

// Binary returns the path of the agent, which it builds if it is not in the user's cache.
func Binary(ctx context.Context) (string, error) {
	return lab.Binary(ctx, lab.Source{
		Name: "lab-consul", Module: "github.com/starlingkv/starling/lab/consul", Dir: "agent",
		Long: "about ten minutes of CPU time",
	})
}

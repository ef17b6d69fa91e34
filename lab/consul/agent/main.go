// Command agent is "consul agent" and no other sub-command: the real server that the tests of kv/consulkv talk to.
//
// For local test use only: Consul 1.16.3 itself is under the MPL, but two modules it links are under the Business Source
// License (README.md), so the binary is built where it is used and never shipped.
package main

import (
	"os"

	"github.com/hashicorp/consul/command/agent"
	"github.com/hashicorp/consul/command/cli"
	_ "github.com/hashicorp/consul/service_os"
	mcli "github.com/mitchellh/cli"
)

func main() {
	ui := &cli.BasicUI{BasicUi: mcli.BasicUi{Writer: os.Stdout, ErrorWriter: os.Stderr}}
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "agent" {
		args = args[1:]
	}
	os.Exit(agent.New(ui).Run(args))
}

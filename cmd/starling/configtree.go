package main

import (
	"iter"

	"go.yaml.in/yaml/v4"

	"github.com/starlingkv/starling/cmd/starling/internal/stores"
)

// leaf is one setting in a document: its name, with those of what it is in before it and dots between.
type leaf struct {
	name  string
	value *yaml.Node
}

// leavesOf ranges over the settings of a mapping in their order.
func leavesOf(mapping *yaml.Node, within string) iter.Seq[leaf] {
	return func(yield func(leaf) bool) {
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			one := leaf{within + mapping.Content[i].Value, mapping.Content[i+1]}
			if one.value.Kind != yaml.MappingNode {
				if !yield(one) {
					return
				}
				continue
			}
			for inner := range leavesOf(one.value, one.name+".") {
				if !yield(inner) {
					return
				}
			}
		}
	}
}

// redact hides the secrets of a setting, or of each of a list.
func redact(value *yaml.Node) {
	value.Value = stores.Redact(value.Value)
	for _, one := range value.Content {
		redact(one)
	}
}

// prune takes the settings out that are not to be kept, and what is empty then.
func prune(mapping *yaml.Node, within string, kept map[string]setting) {
	var content []*yaml.Node
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		name, value := within+mapping.Content[i].Value, mapping.Content[i+1]
		_, keep := kept[name]
		if value.Kind == yaml.MappingNode {
			prune(value, name+".", kept)
			keep = len(value.Content) > 0
		}
		if keep {
			content = append(content, mapping.Content[i], value)
		}
	}
	mapping.Content = content
}

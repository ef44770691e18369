package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestInfoIsReadByKey(t *testing.T) {
	t.Parallel()
	info := parseInfo("# Server\r\nprocess_id:4711\r\nexecutable:/usr/bin/redis-server\r\n\r\n# Stats\r\ntotal_commands_processed:12345\r\n" +
		"# Commandstats\r\ncmdstat_client|setinfo:calls=2,usec=3,usec_per_call=1.50,rejected_calls=0,failed_calls=0\r\n")
	assert.Equal(t, map[string]string{
		"process_id":               "4711",
		"executable":               "/usr/bin/redis-server",
		"total_commands_processed": "12345",
		"cmdstat_client|setinfo":   "calls=2,usec=3,usec_per_call=1.50,rejected_calls=0,failed_calls=0",
	}, info)
}

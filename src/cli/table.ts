// The command slash64: everything that there is to say on its commands and options. A new command is a new row.
// What a command needs to run is loaded when it runs, so that help and completion are there at once.
import { version } from '../version.ts'
import type { Program } from './definitions.ts'

/** Where the daemon listens unless SLASH64_CONTROL says otherwise, there and here. */
export const DEFAULT_CONTROL = '/run/slash64/control.sock'

export const program: Program = {
  name: 'slash64',
  version,
  date: '2026-11-23',
  summary: 'see what slash64 does on this host',
  details: [
    'slash64 gives every container an IPv6 address of its own, which the kernel routes, and lets access lists say who may talk to whom. This command asks its daemon on this host, whether it runs as a service or as a plugin of Docker, what it holds. It changes nothing.',
    'The daemon answers root and the members of the group that may use Docker.',
  ],
  commands: [
    {
      name: 'status',
      summary: 'groups, networks and containers with their addresses and ports',
      details: [
        'Shows the prefix of this host, the prefixes of the fleet, the uplinks, and every group that has a network here: its number, its /112, whom it lets in, its networks, and their containers.',
        'STATE says how the link came into the container: "in place" (it was made there) or "moved" (Docker moved it). A container that has no link yet is "created", one whose link is closed and about to go is "left". PORTS are those that -p opens.',
        'Names of networks and containers come from Docker. Where it does not answer, ids stand in their place, and the line "docker" says so.',
        'When the prefix of the host was changed, networks that were created before stay in the old one until they are removed and created again. The lines "old" name them.',
      ],
      arguments: [
        {
          name: 'NAME',
          summary:
            'show this group, network or container only: a name, the first digits of an id, or the number of a group',
          optional: true,
          repeated: true,
        },
      ],
      examples: [
        { line: 'slash64 status', summary: 'all groups of this host' },
        { line: 'slash64 status web db', summary: 'what is called web or db' },
        {
          line: "slash64 status --json | jq '.groups[].networks[].endpoints[].address'",
          summary: 'the addresses of all containers',
        },
      ],
      run: async call => (await import('./status.ts')).status(call),
    },
    {
      name: 'version',
      summary: 'the versions of this command and of the daemon',
      details: ['Shows the version of this command, then that of the daemon and of the Node.js that runs it.'],
      arguments: [],
      examples: [{ line: 'slash64 version', summary: 'the versions of command and daemon' }],
      run: async call => (await import('./daemon.ts')).showVersions(call),
    },
    {
      name: 'help',
      summary: 'how to use a command',
      details: ['Without a command: what there is. With --json: all of it, as data.'],
      arguments: [{ name: 'COMMAND', summary: 'the command to explain', optional: true, choices: 'commands' }],
      examples: [{ line: 'slash64 help status', summary: 'what status shows' }],
      run: async call => (await import('./help.ts')).help(call),
    },
    {
      name: 'man',
      summary: 'the man page',
      details: ['Writes the man page, section 8, in roff.'],
      arguments: [],
      examples: [
        { line: 'slash64 man | man -l -', summary: 'read the man page' },
        { line: 'slash64 man > /usr/local/share/man/man8/slash64.8', summary: 'install the man page' },
      ],
      textOnly: true,
      run: async call => call.write((await import('./man.ts')).manPage(call.program)),
    },
    {
      name: 'completion',
      summary: 'completion of command lines for a shell',
      details: ['Writes a script that lets the shell complete the commands and options of slash64.'],
      arguments: [{ name: 'SHELL', summary: 'the shell that is to read it', choices: ['bash', 'zsh', 'fish'] }],
      examples: [
        { line: 'slash64 completion bash > /etc/bash_completion.d/slash64', summary: 'completion for bash' },
        {
          line: 'slash64 completion zsh > /usr/local/share/zsh/site-functions/_slash64',
          summary: 'completion for zsh',
        },
        { line: 'slash64 completion fish > /etc/fish/completions/slash64.fish', summary: 'completion for fish' },
      ],
      textOnly: true,
      run: async call => call.write((await import('./completion.ts')).completion(call.program, call.words[0] ?? '')),
    },
  ],
  options: [
    { name: 'json', summary: 'write JSON: status and version as the daemon answers, with all that it knows' },
    { name: 'control', value: 'PATH', summary: 'control socket of the daemon' },
    { name: 'help', short: 'h', summary: 'explain the command and do nothing else' },
    { name: 'version', summary: 'write the version of this command and do nothing else' },
  ],
  exits: [
    { code: 0, summary: 'done', errors: [] },
    { code: 1, summary: 'the daemon could not answer, or has nothing of that name', errors: [] },
    { code: 2, summary: 'wrong usage', errors: ['COMMAND_UNKNOWN', 'COMMAND_USAGE'] },
    { code: 3, summary: 'the daemon does not run, or listens elsewhere', errors: ['CONTROL_ABSENT'] },
    { code: 4, summary: 'the user may not ask the daemon', errors: ['CONTROL_FORBIDDEN'] },
  ],
  environment: [
    {
      name: 'SLASH64_CONTROL',
      summary: `path of the control socket, where --control is not given (default: ${DEFAULT_CONTROL})`,
    },
  ],
  files: [{ name: DEFAULT_CONTROL, summary: 'the control socket' }],
  seeAlso: ['docker-network(1)', 'nft(8)', 'ip(8)'],
}

// Netlink for Node.js: sockets, messages, attributes and network namespaces. Knows no family; nftables and any other
// user (rtnetlink, conntrack) bring their own message types.
export { isNetlinkError, NetlinkError } from './errors.ts'
export * from './message.ts'
export { inNamespace, isNamespace } from './namespace.ts'
export { NetlinkSocket, type SocketOptions } from './socket.ts'

# The managed plugin's root file system: Node, the libraries that it loads, and slash64. No shell, no package manager, no programs beside Node.
# Any builder takes it, BuildKit and the classic one. amd64 or arm64: what the base image is. `npm run plugin` makes a plugin of it.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /slash64
COPY package.json package-lock.json ./
COPY src/nftables-js/package.json src/nftables-js/
# Optional are the Nodes for machines that have an older one. Those of other packages stay: koffi's library for this processor is one. No package needs its
# install script, and those that have one would look for a compiler.
RUN npm pkg delete optionalDependencies && npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY src src
RUN node --disable-warning=ExperimentalWarning src/install/root.ts /root-of-plugin

FROM scratch
COPY --from=build /root-of-plugin/ /
ENTRYPOINT ["/bin/node", "--max-semi-space-size=1", "--optimize-for-size", "--no-maglev", "/app/src/plugin.js"]

/*
 * element TABLE SET: changes elements of SET, whose key is group . group . protocol . port, in TABLE of the family inet. It answers each line of
 * the standard input with one line of microseconds:
 *   change N   N figures: an element added, then removed, and half of the time of both
 *   load N     one transaction with N new elements, which it then removes
 */
#include <linux/netfilter/nf_tables.h>

#include "netlink.h"

#define MESSAGE_BYTES 60000
#define NFT_MSG_DESTROY 30 /* NFT_MSG_DESTROYSETELEM, since 6.3 */

static const char *table, *set;
static int nft;

/* What nft writes as the element's comment (userdata: type 0, length, text). */
static const char comment[] = "\0\012web -> db";

static void element(unsigned group, unsigned port) {
  unsigned char key[40] = {0};
  key[8 + 2] = key[16 + 8 + 2] = 0x5c;
  key[12] = group >> 8, key[13] = group;
  key[32] = 6;
  key[36] = port >> 8, key[37] = port;
  struct nlattr *item = nest(NFTA_LIST_ELEM | NLA_F_NESTED);
  struct nlattr *data = nest(NFTA_SET_ELEM_KEY | NLA_F_NESTED);
  attribute(NFTA_DATA_VALUE, key, sizeof key);
  close_nest(data);
  attribute(NFTA_SET_ELEM_USERDATA, comment, sizeof comment);
  close_nest(item);
}

/* One transaction with the elements first … first + count - 1, in as many messages as their length needs. */
static void transaction(int type, unsigned first, unsigned count) {
  struct nfgenmsg header = {.nfgen_family = 1 /* inet */};
  border(NFNL_MSG_BATCH_BEGIN);
  for (unsigned done = 0; done < count;) {
    size_t start = used;
    int flags = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0;
    begin(NFNL_SUBSYS_NFTABLES << 8 | type, flags, &header, sizeof header);
    text(NFTA_SET_ELEM_LIST_TABLE, table);
    text(NFTA_SET_ELEM_LIST_SET, set);
    struct nlattr *list = nest(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED);
    for (; done < count && used - start < MESSAGE_BYTES; done++) {
      unsigned one = first + done;
      element(60000 + one / 50000, one % 50000 + 1);
    }
    close_nest(list);
    end();
  }
  message->nlmsg_flags |= NLM_F_ACK;
  border(NFNL_MSG_BATCH_END);
}

static double timed(int type, unsigned first, unsigned count) {
  double began = microseconds();
  transaction(type, first, count);
  send_all(nft, 1, "element");
  return microseconds() - began;
}

int main(int argc, char **argv) {
  char word[16];
  unsigned count, next = 0;
  if (argc != 3) return 2;
  table = argv[1], set = argv[2];
  nft = open_netlink(NETLINK_NETFILTER);
  while (scanf("%15s %u", word, &count) == 2) {
    if (strcmp(word, "load") == 0) {
      printf("%.2f", timed(NFT_MSG_NEWSETELEM, 0, count));
      timed(NFT_MSG_DESTROY, 0, count);
    } else {
      for (unsigned i = 0; i < count; i++, next++) {
        double add = timed(NFT_MSG_NEWSETELEM, next, 1);
        printf("%s%.2f", i ? " " : "", (add + timed(NFT_MSG_DESTROY, next, 1)) / 2);
      }
    }
    printf("\n");
    fflush(stdout);
  }
  return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses belong to the public Internet (IANA's special-purpose
 * registries of IPv4 and IPv6). */

#include <netinet/in.h>
#include <string.h>

#include "zoo/download.h"

/* The first `bits` bits of `p` are those of `prefix`. */
static bool begins(const unsigned char *p, const unsigned char *prefix,
                   int bits)
{
    int whole = bits / 8;
    int rest = bits % 8;

    if (memcmp(p, prefix, (size_t)whole) != 0)
        return false;
    return rest == 0 || ((p[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

static bool v4_is_public(const unsigned char *p)
{
    static const struct {
        unsigned char prefix[4];
        int bits;
    } special[] = {
        {{0}, 8},             /* this network */
        {{10}, 8},            /* private */
        {{100, 64}, 10},      /* behind a provider's translation */
        {{127}, 8},           /* this machine */
        {{169, 254}, 16},     /* this link; clouds' metadata */
        {{172, 16}, 12},      /* private */
        {{192, 0, 0}, 24},    /* protocols */
        {{192, 0, 2}, 24},    /* examples */
        {{192, 88, 99}, 24},  /* relays of old */
        {{192, 168}, 16},     /* private */
        {{198, 18}, 15},      /* measurements */
        {{198, 51, 100}, 24}, /* examples */
        {{203, 0, 113}, 24},  /* examples */
        {{224}, 3},           /* groups and reserved, to the end */
    };
    size_t i;

    for (i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        if (begins(p, special[i].prefix, special[i].bits))
            return false;
    }
    return true;
}

static bool v6_is_public(const unsigned char *p)
{
    static const unsigned char global[16] = {0x20}; /* 2000::/3 */
    static const unsigned char translated[16] = {0, 0x64, 0xff, 0x9b};
    static const unsigned char mapped[16] = {0, 0, 0, 0, 0,    0,
                                             0, 0, 0, 0, 0xff, 0xff};
    static const unsigned char six_to_four[16] = {0x20, 0x02};
    static const unsigned char protocols[16] = {0x20, 0x01}; /* 2001::/23 */
    static const unsigned char examples[16] = {0x20, 0x01, 0x0d, 0xb8};
    static const unsigned char more_examples[16] = {0x3f, 0xff};

    if (begins(p, mapped, 96) || begins(p, translated, 96))
        return v4_is_public(p + 12);
    if (begins(p, six_to_four, 16))
        return v4_is_public(p + 2);
    return begins(p, global, 3) && !begins(p, protocols, 23) &&
           !begins(p, examples, 32) && !begins(p, more_examples, 20);
}

bool assay__address_is_public(const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    switch (address->sa_family) {
    case AF_INET:
        memcpy(&v4, address, sizeof(v4));
        return v4_is_public((const unsigned char *)&v4.sin_addr);
    case AF_INET6:
        memcpy(&v6, address, sizeof(v6));
        return v6_is_public((const unsigned char *)&v6.sin6_addr);
    default:
        return false; /* sockets of this machine */
    }
}

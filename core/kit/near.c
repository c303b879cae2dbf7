/* near.c: optimal string alignment distance, three rows of the table at a time. */
#include "kit/near.h"

#include <string.h>

static int
least(int a, int b, int c)
{
    int m = a < b ? a : b;
    return m < c ? m : c;
}

static int
distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int rows[3][SY__NEAR_MAX_BYTES + 1];
    for (size_t j = 0; j <= b_len; j++) rows[0][j] = (int)j;
    for (size_t i = 1; i <= a_len; i++) {
        int *row = rows[i % 3], *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least(up[j] + 1, row[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && up2[j - 2] + 1 < row[j])
                row[j] = up2[j - 2] + 1;
        }
    }
    return rows[a_len % 3][b_len];
}

int
sy__near(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t longer = a_len > b_len ? a_len : b_len, shorter = a_len + b_len - longer;
    if (longer > SY__NEAR_MAX_BYTES || longer - shorter > 2) return -1;
    int d = distance(a, a_len, b, b_len);
    return d <= 2 && (size_t)d * 2 < longer + (d == 1) ? d : -1;
}

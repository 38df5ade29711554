#!/bin/sh
# Makes the two fonts beside this file from the font collections of the project Noto CJK (Sans, version 2.004).
#
#   sh make_fonts.sh FOLDER      FOLDER holds NotoSansCJK-Regular.ttc and NotoSansCJK-Bold.ttc
#
# Needs fonttools 4.68 (its command pyftsubset); the same version gives the same bytes. Face 2 of each collection is "SC".
set -eu
from=$1
here=$(cd "$(dirname "$0")" && pwd)

# Regular: every character of the face but Hangul, so that a rare name is printed and not boxed.
pyftsubset "$from/NotoSansCJK-Regular.ttc" --font-number=2 --output-file="$here/NotoSansCJKsc-Regular-Han.otf" \
    --unicodes=20-10FF,1200-312F,3190-31FF,321F-325F,327F-A95F,A980-ABFF,D800-FF9F,FFE0-10FFFF \
    --layout-features=ccmp,kern,locl,mark --no-hinting --drop-tables+=vhea,vmtx,VORG,BASE,DSIG

# Bold: headings and labels only, so the characters of GB 2312 are enough; what is missing falls back to Regular.
python3 -c "print(''.join(bytes([a, b]).decode('gb2312', 'ignore') for a in range(0xa1, 0xf8) for b in range(0xa1, 0xff)))" \
    > "$here/gb2312.txt"
pyftsubset "$from/NotoSansCJK-Bold.ttc" --font-number=2 --output-file="$here/NotoSansCJKsc-Bold-GB2312.otf" \
    --text-file="$here/gb2312.txt" --unicodes=20-7E,B7 \
    --layout-features=ccmp,kern,locl,mark --no-hinting --drop-tables+=vhea,vmtx,VORG,BASE,DSIG
rm "$here/gb2312.txt"

"""English words so common in captions that one alone cannot be somebody's claimed name."""

_WORDS = """
able about above abstract acrylic action adorable adult advert aerial after afternoon again album
alone along also always amazing amber ancient angel animal animals anime another antique apartment
apple april architecture army around arrow artist artistic artists artwork august aurora autumn
avatar baby back background backgrounds ball banner baroque base basic bathroom beach bear
beautiful bedroom been before behind below best better between bird birds birthday black blank blog
blonde blue board boat body book books border both bottle bottom bowl boys bread bride bridge
bright brown brush build building buildings business butterfly cake calendar camera candle canvas
card cards caricature cartoon case castle cats cell chair character charcoal cheap chicken child
children chocolate christmas church cinema circle city class classic clean clip clipart close
clothes cloud clouds coast coffee collage collection color colorful colors colour colourful colours
come comic comics company computer concept concert contemporary content cool copy corner costume
cottage country couple cover covers craft crayon create creative cross crowd crystal cubism culture
cute daily daisy dance dark data date daughter dawn dead december deep design designer designs desk
desktop detail details different digital dinner display dogs doll door down download drawing
drawings dream dress drink during each early earth east easter easy edge edition editorial eight
elegant emblem empty english engraving etching evening event every example expression exterior eyes
fabric face faces family famous fantasy farm fashion father fauna february feet female festival
field figure file film fine fire first fish flag flat floor flora floral flower flowers flying font
food foot football forest form forms four frame free fresh friday friend friends from front fruit
full funny furniture future gallery game games garden geometric gift girl girls give glass gold
golden good gothic graffiti grand graphic graphics grass gray great green grey ground group grunge
guide guitar hair hand hands hanging happy harbor harbour hard have head health heart hearts help
here high hill hills history holiday home horse hotel hour house human hundred hunter icon icons
idea ideas illustration illustrations image images impressionism indian indoor industrial inside
inspiration inspired interior into invitation iris island isolated ivory jade january japanese
jasmine jewelry july june just keep kids kitchen label lady lake lamp land landscape large last
late leaf learn leaves left letter letters level life light lights like lily line lines lion list
little live living logo long look love luna luxury machine made magazine magic main make male many
marble march mask master material maybe meadow media medium meeting menu metal middle mini
minimalist mirror model models modern monday money month moon more morning most mother mountain
mountains movie much mural museum music name nature near neon never news next nice night nine north
note november number object objects ocean october offer office official oils olive online only open
orange original other outdoor outline outside oval over page paint painted painter painting
paintings pair palace palette panorama paper park part party pastel path pattern patterns pearl
pencil people perfect person pets phoenix phone photo photograph photographer photographs
photography photos picture pictures piece pink pixel place plan plane plant plants plastic plate
play player point pool popular portrait portraits poster posters power premium present press pretty
price print printable prints product products profile project public purple quality queen quick
quote rain rainbow raven real realistic renaissance render rendering rest restaurant retro review
ring river road rock romantic roof room rooms rose roses round royal ruby rural rustic sale salon
same sand saturday scene school screen sculpture seamless season second self september series
service seven shade shape shapes share sheet ship shirt shoes shop short show side sign silver
simple since single site size sketch sketches skin small smile snow soft some song south space
spring square stage stained stamp star stars state station steel stella still stock stone store
storm story street strong student studio style stylish such summer sunday sunrise sunset surface
surreal surrealism symbol table tattoo team teen template text texture than that their them then
there these they thing this those three through thumbnail thursday time title today together top
tower town toys traditional travel tree trees tropical tuesday under unique united unknown untitled
upon used user vector vectors vehicle very video view views village vintage violet vision visual
walk wall wallpaper wallpapers want warm watch water watercolor watercolour wave wedding wednesday
week well west what wheel when where which white wild will willow wind window windows wine wing
winter with woman women wood wooden word words work works world would write yard year years yellow
yoga young your youth zone
"""
COMMON_WORDS = frozenset(_WORDS.split())
